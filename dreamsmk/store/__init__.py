"""The action store, the records and the fingerprint.

Looking after the store in the long run stands in `collect`, `inventory` and `verify`, which no job needs to load.
"""

from dreamsmk.store.actions import ActionStore
from dreamsmk.store.copies import place
from dreamsmk.store.entry import Action, Output
from dreamsmk.store.files import beside, remove, write_bytes, write_json
from dreamsmk.store.fingerprint import Preimage
from dreamsmk.store.home import Home
from dreamsmk.store.locks import locked, try_locked
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
    "try_locked",
    "write_bytes",
    "write_json",
]
