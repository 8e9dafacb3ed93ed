"""The action store, the records and the fingerprint."""

from dreamsmk.store.actions import ActionStore
from dreamsmk.store.collect import Collected, Collection, Policy, collect
from dreamsmk.store.copies import place
from dreamsmk.store.entry import Action, Output
from dreamsmk.store.files import beside, remove, write_bytes, write_json
from dreamsmk.store.fingerprint import Preimage
from dreamsmk.store.home import Home
from dreamsmk.store.inventory import StoreStats, TaskUsage, store_stats
from dreamsmk.store.locks import locked, try_locked
from dreamsmk.store.records import Records, open_records
from dreamsmk.store.verify import Damage, Verified, verify

__all__ = [
    "Action",
    "ActionStore",
    "Collected",
    "Collection",
    "Damage",
    "Home",
    "Output",
    "Policy",
    "Preimage",
    "Records",
    "StoreStats",
    "TaskUsage",
    "Verified",
    "beside",
    "collect",
    "locked",
    "open_records",
    "place",
    "remove",
    "store_stats",
    "try_locked",
    "verify",
    "write_bytes",
    "write_json",
]
