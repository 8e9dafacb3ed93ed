"""Many model calls, each paid for once: the call cache, the engine and the model that a task sees."""

from dreamsmk.calls.asking import PlannedModel
from dreamsmk.calls.bounds.prices import Cost, cost_of, price_list
from dreamsmk.calls.caching.cache import ALL, CallCache, CallRow, ModelCalls, Replies, RuleCalls, Selection, StoredCall
from dreamsmk.calls.caching.fresh import FreshReplies
from dreamsmk.calls.caching.modes import CacheMode, in_mode
from dreamsmk.calls.caching.nearest import nearest_call
from dreamsmk.calls.caching.opening import is_there, is_url, open_cache
from dreamsmk.calls.caching.sqlite_cache import SqliteCallCache
from dreamsmk.calls.engine import answer, outcomes
from dreamsmk.calls.failure_table import FailureTable
from dreamsmk.calls.failures import FailedRow, FailureSink
from dreamsmk.calls.model import CachedModel
from dreamsmk.calls.progress import Progress
from dreamsmk.calls.tally import Tally

__all__ = [
    "ALL",
    "CacheMode",
    "CachedModel",
    "CallCache",
    "CallRow",
    "Cost",
    "FailedRow",
    "FailureSink",
    "FailureTable",
    "FreshReplies",
    "ModelCalls",
    "PlannedModel",
    "Progress",
    "Replies",
    "RuleCalls",
    "Selection",
    "SqliteCallCache",
    "StoredCall",
    "Tally",
    "answer",
    "cost_of",
    "in_mode",
    "is_there",
    "is_url",
    "nearest_call",
    "open_cache",
    "outcomes",
    "price_list",
]
