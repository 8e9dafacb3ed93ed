"""A process that holds one copy of a local model for another process, and the frames that they talk in.

Contract: a worker ends when the process that started it does, however that ends: the closed pipe of its standard input
says so at once, in the middle of a batch as well. Ctrl-C is left to the process that started it.

A frame is a pickle after its length in eight bytes; only dreamsmk's own processes write and read them. What libraries
print goes to the standard error.
"""

from __future__ import annotations

import os
import pickle
import queue
import signal
import struct
import sys
import threading
from typing import IO, TYPE_CHECKING, Any

from dreamsmk.errors import DreamsmkError, ProviderError, RequestRejected, SettingsError

if TYPE_CHECKING:
    from dreamsmk.providers.local.answering import LocalModel
    from dreamsmk.requests import Request

LENGTH = struct.Struct(">Q")
KINDS: dict[str, type[RequestRejected | SettingsError | ProviderError]] = {
    kind.__name__: kind for kind in (RequestRejected, SettingsError, ProviderError)
}


# Any: whatever can be pickled.
def write_frame(stream: IO[bytes], value: Any) -> None:
    """Writes one frame."""
    body = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(LENGTH.pack(len(body)) + body)
    stream.flush()


# Any: as above.
def read_frame(stream: IO[bytes]) -> Any | None:
    """Returns the next frame, or None where the other side is gone."""
    try:
        head = stream.read(LENGTH.size)
        if len(head) < LENGTH.size:
            return None
        (length,) = LENGTH.unpack(head)
        body = stream.read(length)
    # a pipe that was closed on our own side
    except (OSError, ValueError):
        return None
    return pickle.loads(body) if len(body) == length else None


def packed_error(error: DreamsmkError) -> tuple[str, str, str, str]:
    """Returns an error in a form that can be pickled: its kind and its three parts."""
    kind = type(error).__name__
    return (kind if kind in KINDS else "SettingsError", error.what, error.where, error.hint)


def unpacked_error(packed: tuple[str, str, str, str]) -> RequestRejected | SettingsError | ProviderError:
    """Returns the error that `packed_error` was given."""
    kind, what, where, hint = packed
    return KINDS[kind](what, where=where, hint=hint)


def unpacked_rejection(packed: tuple[str, str, str, str]) -> RequestRejected:
    """Returns the rejection of one request that `packed_error` was given."""
    _, what, where, hint = packed
    return RequestRejected(what, where=where, hint=hint)


def serve() -> None:
    """Answers requests from the standard input until it is closed.

    The first frame is the model spec; each further one is a list of requests with their numbers. The replies are
    `("reply", number, Response)`, `("rejected", number, error)`, `("done",)` after the last of a list, and
    `("failed", error)` where the model itself cannot be run.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Any: frames.
    wanted: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(wanted,), daemon=True).start()
    from dreamsmk.providers.local.answering import LocalModel

    model = LocalModel(wanted.get())
    try:
        while True:
            _answer(model, wanted.get(), replies)
    # nobody reads any more
    except BrokenPipeError:
        os._exit(1)


def _answer(model: LocalModel, numbered: list[tuple[int, Request]], replies: IO[bytes]) -> None:
    numbers = [number for number, _ in numbered]
    try:
        for index, reply in model.answer([request for _, request in numbered]):
            if isinstance(reply, RequestRejected):
                write_frame(replies, ("rejected", numbers[index], packed_error(reply)))
            else:
                write_frame(replies, ("reply", numbers[index], reply))
    except DreamsmkError as error:
        write_frame(replies, ("failed", packed_error(error)))
    else:
        write_frame(replies, ("done",))


# Any: frames.
def _listen(wanted: queue.SimpleQueue[Any]) -> None:
    while (frame := read_frame(sys.stdin.buffer)) is not None:
        wanted.put(frame)
    # no clean-up: the other process is gone, and a batch may be running
    os._exit(1)
