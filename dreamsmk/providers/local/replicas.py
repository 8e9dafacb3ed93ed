"""Several copies of one local model, each on a device of its own and in a process of its own.

Contract: replies are those of one copy. Whichever copy is free takes the next rows, longest first. A worker that dies
is a `ProviderError`, never a wait without end; no worker outlives this process or `close`.

Workers are fresh interpreters, not forks (CUDA survives none), and not those of `multiprocessing`: its `spawn` runs the
main module again, which need not be made for that.
"""

from __future__ import annotations

import dataclasses
import os
import queue
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import IO, Any

from dreamsmk.errors import ProviderError
from dreamsmk.providers.local.answering import Answer
from dreamsmk.providers.local.sampling import sampling_group
from dreamsmk.providers.local.worker import read_frame, unpacked_error, unpacked_rejection, write_frame
from dreamsmk.requests import Request
from dreamsmk.settings import ModelSpec

COMMAND = "from dreamsmk.providers.local.worker import serve; serve()"
# After so many deaths the workers are not started again: it is the model or the machine that fails.
DEATHS = 3
# A worker that was told to end has this long to do so.
GRACE_SECONDS = 5.0


class Worker:
    """One copy of the model in a process of its own.

    Args:
        spec: The model spec, its device this worker's.
        threads: CPU threads that it may use; None leaves it to torch.
        frames: Where its frames are put, each with the worker; None in the place of a frame once it is gone.
    """

    # Any: frames.
    def __init__(
        self, spec: ModelSpec, threads: int | None, frames: queue.SimpleQueue[tuple[Worker, Any | None]]
    ) -> None:
        self.device = spec.device
        self.is_busy = False
        path = os.pathsep.join(place for place in sys.path if place)
        environment = {**os.environ, "PYTHONPATH": path}
        if threads is not None:
            environment["OMP_NUM_THREADS"] = str(threads)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", COMMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._asked: IO[bytes] = self.process.stdin
        self._told: IO[bytes] = self.process.stdout
        self._frames = frames
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self._send(spec)

    def ask(self, numbered: list[tuple[int, Request]]) -> None:
        """Gives the worker requests with their numbers."""
        self.is_busy = True
        self._send(numbered)

    def close(self) -> None:
        """Ends the process."""
        # what was still to be written finds nobody
        with suppress(BrokenPipeError):
            self._asked.close()
        try:
            self.process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        self._told.close()

    def death(self) -> ProviderError:
        """Returns what a worker's death is reported as."""
        code = self.process.wait()
        how = f"by signal {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return ProviderError(
            f"the copy of the model on {self.device!r} ended {how}",
            hint="its last words are in the job's log; a SIGKILL mostly means that the machine ran out of memory",
        )

    # Any: frames.
    def _send(self, frame: Any) -> None:
        # the reader finds out that it is gone, and says so
        with suppress(BrokenPipeError):
            write_frame(self._asked, frame)

    def _read(self) -> None:
        while (frame := read_frame(self._told)) is not None:
            self._frames.put((self, frame))
        self._frames.put((self, None))


class Replicas:
    """Copies of a local model on the devices of its spec.

    Args:
        spec: The model spec.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._workers: list[Worker] = []
        # Any: frames.
        self._frames: queue.SimpleQueue[tuple[Worker, Any | None]] = queue.SimpleQueue()
        self._deaths: list[ProviderError] = []

    @property
    def processes(self) -> list[int]:
        """The ids of the workers' processes."""
        return [worker.process.pid for worker in self._workers]

    def answer(self, requests: Sequence[Request]) -> Iterator[Answer]:
        """Yields the index of each request with its reply, or with the reason why it has none.

        Raises:
            ProviderError: The model cannot be loaded, or a worker died; the other replies may be missing.
        """
        if not requests:
            return
        if len(self._deaths) >= DEATHS:
            raise self._deaths[-1]
        self._start()
        is_whole = False
        try:
            yield from self._answers(requests)
            is_whole = True
        finally:
            # a worker in the middle of its rows is of no use to the next call
            if not is_whole:
                self.close()

    def close(self) -> None:
        """Ends the workers."""
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.close()
        self._frames = queue.SimpleQueue()

    def _answers(self, requests: Sequence[Request]) -> Iterator[Answer]:
        waiting = deque(_in_order(requests))
        for worker in self._workers:
            self._ask_next(worker, waiting, requests)
        while any(worker.is_busy for worker in self._workers):
            worker, frame = self._frames.get()
            if frame is None:
                self._deaths.append(worker.death())
                raise self._deaths[-1]
            kind, *rest = frame
            if kind == "failed":
                raise unpacked_error(rest[0])
            if kind == "done":
                worker.is_busy = False
                self._ask_next(worker, waiting, requests)
            else:
                index, reply = rest
                yield index, reply if kind == "reply" else unpacked_rejection(reply)

    def _ask_next(self, worker: Worker, waiting: deque[int], requests: Sequence[Request]) -> None:
        # big helpings first, so that batches are filled up; a batch at a time at the end, so that nobody waits long
        count = max(self._spec.batch_size, len(waiting) // (2 * len(self._workers)))
        helping = [waiting.popleft() for _ in range(min(count, len(waiting)))]
        if helping:
            worker.ask([(index, requests[index]) for index in helping])

    def _start(self) -> None:
        if self._workers:
            return
        on_cpu = sum(device.startswith("cpu") for device in self._spec.devices)
        for device in self._spec.devices:
            spec = dataclasses.replace(self._spec, device=device, devices=())
            threads = max(1, _threads() // on_cpu) if device.startswith("cpu") else None
            self._workers.append(Worker(spec, threads, self._frames))


def _in_order(requests: Sequence[Request]) -> list[int]:
    """Returns the indices of requests, those that may share a batch together and the longest of them first."""

    def key(index: int) -> tuple[str, int]:
        length = sum(len(message.content) for message in requests[index].messages)
        return (str(sampling_group(requests[index].sampling)), -length)

    return sorted(range(len(requests)), key=key)


def _threads() -> int:
    given = os.environ.get("OMP_NUM_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
