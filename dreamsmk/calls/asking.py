"""From prompts to the requests of one model: the same for a job that asks and for a plan that only counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dreamsmk.errors import SettingsError, nearest
from dreamsmk.providers.base import Provider, check_sampling
from dreamsmk.providers.registry import provider_class
from dreamsmk.requests import Failure, Judge, Message, ModelIdentity, Request, Response, Sampling, Wanted
from dreamsmk.settings import ModelSpec

# One user message, or a whole conversation.
Prompt = str | Sequence[Message]


class RequestMaker:
    """Makes the requests of one model.

    Args:
        alias: The model's name under `models:`.
        spec: The model spec.
        identity: Which model answers, for the keys; made from the spec once.
        provider_type: The provider's class, where it is not the registered one.
    """

    def __init__(
        self, alias: str, spec: ModelSpec, identity: ModelIdentity, *, provider_type: type[Provider] | None = None
    ) -> None:
        self.alias = alias
        self.identity = identity
        self._spec = spec
        self._provider_type = provider_type

    @property
    def spec(self) -> ModelSpec:
        """The model spec."""
        return self._spec

    # Any: values of `Sampling` of every type.
    def requests(  # noqa: PLR0913  # all but one are by keyword
        self,
        prompts: Iterable[Prompt],
        *,
        system: str | None = None,
        samples: Iterable[int] | None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        tool_choice: str | None = None,
        schema: Mapping[str, Any] | None = None,
        wanted: Wanted | None = None,
        **sampling: Any,
    ) -> Iterator[Request]:
        """Returns one request a prompt, made as it is asked for.

        Args:
            prompts: Each becomes one user message, or is the messages of a conversation.
            system: A system message before each of them.
            samples: The sample index of each prompt, from 0; all are 0 by default.
            tools: The tools that the model may call; see `Request`.
            tool_choice: Which of them it must call; see `Request`.
            schema: The JSON Schema that replies must follow.
            wanted: What is wanted instead of a text.
            sampling: Values that go over the spec's; `None` leaves the spec's value.

        Raises:
            SettingsError: `sampling` names what is no sampling value, or one that the provider does not take.
            ValueError: There are fewer samples than prompts.
        """
        # One identity and one set of sampling values for all: the engine writes them down once.
        pattern = Request(
            self.identity,
            () if system is None else (Message("system", system),),
            self._sampling(sampling),
            tools=tuple(tools),
            tool_choice=tool_choice,
            schema=schema,
            wanted=wanted,
        )
        return _requests(prompts, pattern, samples)

    # Any: values of `Sampling` of every type.
    def _sampling(self, given: dict[str, Any]) -> Sampling:
        names = [field.name for field in dataclasses.fields(Sampling)]
        for name in given:
            if name not in names:
                raise SettingsError(
                    f"there is no sampling value {name!r}", where=f"models.{self.alias}", hint=nearest(name, names)
                )
        values = self._spec.group("sampling") | {name: value for name, value in given.items() if value is not None}
        if "stop" in values:
            stop = values["stop"]
            values["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
        merged = Sampling(**values)
        check_sampling(self._spec.provider, list(merged.given()), self._type().capabilities_of(self._spec))
        return merged

    def _type(self) -> type[Provider]:
        return self._provider_type or provider_class(self._spec.provider)


def _requests(prompts: Iterable[Prompt], pattern: Request, samples: Iterable[int] | None) -> Iterator[Request]:
    numbers = None if samples is None else iter(samples)
    before, shared = pattern.messages, (pattern.tools, pattern.tool_choice, pattern.schema, pattern.wanted)
    for row, prompt in enumerate(prompts):
        sample = 0 if numbers is None else next(numbers, None)
        if sample is None:
            raise ValueError(f"there are {row} samples for more prompts")
        messages = (Message("user", prompt),) if isinstance(prompt, str) else tuple(prompt)
        yield Request(pattern.model, before + messages, pattern.sampling, sample, *shared)


class PlannedModel(RequestMaker):
    """A model that is never asked; it implements `tasks.context.Model` for the plan of a task."""

    def answer(self, requests: Iterable[Request], *, total: int | None = None) -> Iterator[Response]:
        """Raises: the plan of a task asks nothing."""
        raise RuntimeError(f"the plan of a task asked the model {self.alias!r}")

    def outcomes(
        self,
        requests: Iterable[Request],
        *,
        total: int | None = None,
        judge: Judge | None = None,
        max_failures: float = 0,
    ) -> Iterator[Response | Failure]:
        """Raises: the plan of a task asks nothing."""
        raise RuntimeError(f"the plan of a task asked the model {self.alias!r}")
