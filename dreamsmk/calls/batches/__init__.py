"""Calls through the batch APIs of services: gathered, submitted, watched and fetched."""
