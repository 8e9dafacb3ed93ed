"""Providers for these tests: they really wait, really fail, and count what they are asked."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from dreamsmk.providers.base import Capabilities, LocalProvider, ServiceProvider
from dreamsmk.requests import Message, ModelIdentity, Request, Response, Sampling, Usage
from dreamsmk.settings import ModelSpec

IDENTITY = ModelIdentity("echo", "test-model")
SAMPLING = frozenset({"temperature", "top_p", "max_tokens", "stop", "seed"})


def spec(**values) -> ModelSpec:
    return ModelSpec(
        **{"provider": "echo", "model": "test-model", "max_concurrency": 8, "timeout_seconds": 20.0} | values
    )


def request(text: str, *, sample: int = 0, sampling: Sampling = Sampling()) -> Request:  # noqa: B008  # frozen
    return Request(IDENTITY, (Message("user", text),), sampling, sample)


def requests(count: int) -> list[Request]:
    return [request(f"prompt {i}") for i in range(count)]


def response(text: str) -> Response:
    return Response(text, "stop", "test-model-1", Usage(3, 0, 2, 0), "2025-01-01T00:00:00+00:00", 0.25, "id-1")


def text_of(asked: Request) -> str:
    return asked.messages[-1].content


class Service(ServiceProvider):
    """Answers `re: <prompt>` after `seconds(prompt)`, unless `fails(prompt, attempt)` gives an error."""

    capabilities = Capabilities(sampling=SAMPLING, fields=frozenset())

    def __init__(
        self,
        model_spec: ModelSpec | None = None,
        *,
        seconds: Callable[[str], float] = lambda prompt: 0.0,
        fails: Callable[[str, int], Exception | None] = lambda prompt, attempt: None,
    ) -> None:
        super().__init__(model_spec or spec())
        self.seconds = seconds
        self.fails = fails
        self.attempts: Counter[str] = Counter()
        self.finished: list[str] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.is_closed = False

    async def complete(self, request: Request) -> Response:
        prompt = text_of(request)
        self.attempts[prompt] += 1
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.seconds(prompt))
        finally:
            self.in_flight -= 1
        error = self.fails(prompt, self.attempts[prompt])
        if error is not None:
            raise error
        self.finished.append(prompt)
        return response(f"re: {prompt}")

    async def close(self) -> None:
        self.is_closed = True


class Local(LocalProvider):
    """Answers batches, the longest prompts first; a prompt for which `fails` gives an error spoils its chunk."""

    capabilities = Capabilities(sampling=SAMPLING, fields=frozenset(), is_local=True)

    def __init__(
        self,
        model_spec: ModelSpec | None = None,
        *,
        fails: Callable[[str], Exception | None] = lambda prompt: None,
    ) -> None:
        super().__init__(model_spec or spec(batch_size=4))
        self.fails = fails
        self.chunks: list[int] = []
        self.generated: Counter[str] = Counter()
        self.is_closed = False

    def generate(self, requests: Sequence[Request]) -> Iterator[tuple[int, Response]]:
        self.chunks.append(len(requests))
        order = sorted(range(len(requests)), key=lambda i: (-len(text_of(requests[i])), -i))
        size = self.spec.batch_size
        for start in range(0, len(order), size):
            batch = order[start : start + size]
            for index in batch:
                error = self.fails(text_of(requests[index]))
                if error is not None:
                    raise error
            for index in batch:
                self.generated[text_of(requests[index])] += 1
                yield index, response(f"re: {text_of(requests[index])}")

    def close(self) -> None:
        self.is_closed = True


class Told:
    """A progress that remembers what it was told."""

    def __init__(self) -> None:
        self.updates: list[tuple[int, int | None, dict]] = []

    def update(self, done: int, total: int | None = None, **facts: str | int | float) -> None:
        self.updates.append((done, total, facts))

    def note(self, text: str) -> None:
        pass
