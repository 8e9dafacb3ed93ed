"""Many model calls, each paid for once: the call cache, the engine and the model that a task sees."""

from dreamsmk.calls.asking import PlannedModel
from dreamsmk.calls.cache import CallCache, ModelCalls, Replies, RuleCalls, StoredCall
from dreamsmk.calls.engine import Progress, answer
from dreamsmk.calls.fresh import FreshReplies
from dreamsmk.calls.model import CachedModel
from dreamsmk.calls.nearest import nearest_call
from dreamsmk.calls.prices import Cost, cost_of, price_list
from dreamsmk.calls.sqlite_cache import SqliteCallCache
from dreamsmk.calls.tally import Tally

__all__ = [
    "CachedModel",
    "CallCache",
    "Cost",
    "FreshReplies",
    "ModelCalls",
    "PlannedModel",
    "Progress",
    "Replies",
    "RuleCalls",
    "SqliteCallCache",
    "StoredCall",
    "Tally",
    "answer",
    "cost_of",
    "nearest_call",
    "price_list",
]
