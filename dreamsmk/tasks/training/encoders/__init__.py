"""Embedding models in the frame of all trainers."""
