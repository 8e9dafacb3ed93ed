"""The batch APIs of services: many calls submitted as one, answered within a day, for half the price."""

from dreamsmk.providers.batches.base import (
    BatchInput,
    BatchLimits,
    BatchLook,
    BatchResult,
    BatchService,
    Fate,
    LostBatch,
    custom_id,
)

__all__ = [
    "BatchInput",
    "BatchLimits",
    "BatchLook",
    "BatchResult",
    "BatchService",
    "Fate",
    "LostBatch",
    "custom_id",
]
