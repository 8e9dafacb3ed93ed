"""Tiny models with random weights, made in a second."""

from tests.tiny.model import CHATML, make_tiny_adapter, make_tiny_model

__all__ = ["CHATML", "make_tiny_adapter", "make_tiny_model"]
