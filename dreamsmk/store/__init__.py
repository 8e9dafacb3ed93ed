"""The action store, the records and the fingerprint."""

from dreamsmk.store.actions import Action, ActionStore, Output
from dreamsmk.store.files import beside, locked, place, remove, write_bytes, write_json
from dreamsmk.store.fingerprint import Preimage
from dreamsmk.store.home import Home
from dreamsmk.store.records import Records, open_records

__all__ = [
    "Action",
    "ActionStore",
    "Home",
    "Output",
    "Preimage",
    "Records",
    "beside",
    "locked",
    "open_records",
    "place",
    "remove",
    "write_bytes",
    "write_json",
]
