"""The action store: what each fingerprint gave, and putting it back.

Contract: an entry appears only after all its outputs are complete on disk, and an output is put back only while its
bytes are what they were when they were stored. An entry whose blob is missing or damaged is dropped, which makes it a
miss: it is never handed out.

A large output may share its inode with the target that it was put back to (`copies`), so that a user who edits that
target in place edits the blob too. Every such write changes the blob's signature (inode, size, modification and change
time), and `find` and `put_back` read a blob again whose signature is not the one it was last verified with; the time
stamps that linking changes are carried over only where size and modification time stayed as they were.

Whoever finds an entry and puts it back holds its lock meanwhile, or is ready for a `StoreError`: a collector never
touches what is locked.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from dreamsmk.errors import IdentityError, StoreError
from dreamsmk.hashing import DigestMemo
from dreamsmk.hashing.observations import Observation, observe
from dreamsmk.store.copies import make_self_contained, move, place
from dreamsmk.store.entry import Action, Output, parse_action, write_action
from dreamsmk.store.files import remove, storing, sync_content
from dreamsmk.store.home import Home
from dreamsmk.store.locks import locked, try_locked

_ATTEMPTS = 10
_PAUSE_SECONDS = 0.05


class ActionStore:
    """The action store in a home.

    Args:
        home: The folder of dreamsmk's state.
        memo: Remembers digests, so that an undamaged blob is known by its stat alone.
    """

    def __init__(self, home: Home, memo: DigestMemo) -> None:
        self._home = home
        self._memo = memo

    def find(self, fingerprint: str) -> Action | None:
        """Returns the entry of a fingerprint if all its outputs are there and undamaged; marks it as used now.

        Raises:
            StoreError: A newer dreamsmk wrote it.
        """
        path = self._home.action(fingerprint)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        action = parse_action(content, fingerprint, path)
        if action is None or not all(self._is_whole(fingerprint, *item) for item in action.outputs.items()):
            _drop(path, content)
            return None
        with contextlib.suppress(OSError):  # the store of somebody else, or collected just now
            os.utime(path)
        return action

    def peek(self, fingerprint: str) -> Action | None:
        """Returns the entry of a fingerprint as `find` would, and neither marks nor drops it."""
        path = self._home.action(fingerprint)
        try:
            action = parse_action(path.read_bytes(), fingerprint, path)
        except FileNotFoundError:
            return None
        is_whole = action is not None and all(self._is_whole(fingerprint, *item) for item in action.outputs.items())
        return action if is_whole else None

    def keep(self, fingerprint: str, made: Mapping[str, Path], kinds: Mapping[str, str]) -> Action:
        """Moves finished outputs into the store and enters them: `take`, then `enter`."""
        action = self.take(fingerprint, made, kinds)
        self.enter(action)
        return action

    def take(self, fingerprint: str, made: Mapping[str, Path], kinds: Mapping[str, str]) -> Action:
        """Moves finished outputs into the store, without an entry yet that says so.

        Args:
            fingerprint: The fingerprint that gave them; the caller holds its lock.
            made: The outputs by role.
            kinds: `table`, `file` or `folder` by role.

        Raises:
            StoreError: They cannot be moved or read.
        """
        blob = self._home.blob(fingerprint)
        with storing(blob):
            remove(self._home.action(fingerprint))
            remove(blob)
            for role, path in made.items():
                make_self_contained(path)
                sync_content(path)
                move(path, blob / role)
        outputs = {}
        for role in made:
            content = self._memo.of(blob / role, "tree" if kinds[role] == "folder" else "bytes")
            digest = self._memo.of(blob / role, "rows") if kinds[role] == "table" else content
            outputs[role] = Output(kinds[role], digest, content)
        return Action(fingerprint, outputs)

    def enter(self, action: Action) -> None:
        """Enters what was taken: from now on it is found."""
        write_action(self._home.action(action.fingerprint), action)

    def put_back(self, action: Action, targets: Mapping[str, Path]) -> None:
        """Places outputs of an entry at their targets.

        Raises:
            StoreError: A target cannot be written; or an output is gone or damaged, and the entry was dropped.
        """
        for role, target in targets.items():
            if role not in action.outputs:
                raise StoreError(f"the store has no {role!r} for this", where=str(target))
            self._put_back(action.fingerprint, role, action.outputs[role], target)

    def in_place(self, action: Action, targets: Mapping[str, Path]) -> bool:
        """Says whether every target is known, by its stat alone, to be just what the entry holds."""
        return all(
            role in action.outputs
            and self._memo.known(target, action.outputs[role].content_kind) == action.outputs[role].content
            for role, target in targets.items()
        )

    def forget(self, fingerprint: str) -> None:
        """Drops an entry, so that its job runs again."""
        remove(self._home.action(fingerprint))

    def lock(self, fingerprint: str) -> AbstractContextManager[None]:
        """Returns the lock of a fingerprint: two jobs that would make the same thing take turns."""
        return locked(self._home.lock(fingerprint))

    def try_lock(self, fingerprint: str) -> AbstractContextManager[bool]:
        """Returns the same lock for who would rather do something else than wait; its value says whether it is held."""
        return try_locked(self._home.lock(fingerprint))

    def _put_back(self, fingerprint: str, role: str, output: Output, target: Path) -> None:
        blob = self._home.blob(fingerprint) / role
        before = _observed(blob)
        if before is None or not self._is_whole(fingerprint, role, output):
            self.forget(fingerprint)
            raise _damaged(blob, target)
        with storing(target):
            place(blob, target)
        after = _observed(blob)
        if after is None or _was_written(before, after):
            self.forget(fingerprint)
            remove(target)
            raise _damaged(blob, target)
        self._memo.note(target, output.digests)
        if after.signature != before.signature:
            # a hard link changed nothing but its change time
            with contextlib.suppress(IdentityError):  # collected just now, from a caller without the lock
                self._memo.note(blob, output.digests)

    def _is_whole(self, fingerprint: str, role: str, output: Output) -> bool:
        blob = self._home.blob(fingerprint) / role
        for _ in range(_ATTEMPTS):
            try:
                return self._memo.of(blob, output.content_kind) == output.content
            except (OSError, IdentityError):
                if not blob.exists():
                    return False
            # another reader links it just now, which changes its change time while it is read
            time.sleep(_PAUSE_SECONDS)
        return False


def _observed(path: Path) -> Observation | None:
    try:
        return observe(path)
    except IdentityError:
        return None


def _was_written(before: Observation, after: Observation) -> bool:
    """Tells whether anything but the change time, which a new hard link changes, is different."""
    return [(f.name, f.signature[:4]) for f in before.files] != [(f.name, f.signature[:4]) for f in after.files]


def _damaged(blob: Path, target: Path) -> StoreError:
    hint = "run it again: the job makes it anew"
    return StoreError(f"the stored copy {str(blob)!r} is gone or damaged", where=str(target), hint=hint)


def _drop(path: Path, content: bytes) -> None:
    """Removes an entry that was found wanting, unless a job has entered a new one meanwhile."""
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == content:
            path.unlink()
