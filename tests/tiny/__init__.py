"""Tiny models with random weights, made in a second."""

from tests.tiny.model import CHATML, make_tiny_adapter, make_tiny_model
from tests.tiny.seq2seq import make_tiny_t5

__all__ = ["CHATML", "make_tiny_adapter", "make_tiny_model", "make_tiny_t5"]
