"""Many model calls, each paid for once: the call cache, the engine and the model that a task sees."""

from dreamsmk.calls.cache import CallCache, ModelCalls
from dreamsmk.calls.engine import Progress, answer
from dreamsmk.calls.model import CachedModel
from dreamsmk.calls.sqlite_cache import SqliteCallCache
from dreamsmk.calls.tally import Tally

__all__ = ["CachedModel", "CallCache", "ModelCalls", "Progress", "SqliteCallCache", "Tally", "answer"]
