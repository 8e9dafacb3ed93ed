"""What is known of a model or a data set beyond its bytes: name, page, card, licence, citations.

Contract: nothing here is ever made up. What nobody recorded reads `not recorded`, and what the author of a card left
out reads `not stated`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dreamsmk.cards.model_folder import ModelFolder
from dreamsmk.cards.trace import Step, Trace

NOT_RECORDED = "not recorded"
NOT_STATED = "not stated"

MODEL_ROLES = frozenset({"model", "adapter", "base_model", "reference_model", "reward_model", "student", "teacher"})


@dataclass(frozen=True, slots=True)
class Description:
    """What somebody recorded of a model or a data set; `None` where nobody did.

    Attributes:
        card: Where its own card stands.
        kind: `model` or `dataset`.
    """

    name: str | None = None
    url: str | None = None
    card: str | None = None
    license: str | None = None
    citations: tuple[str, ...] = ()
    revision: str | None = None
    kind: str | None = None

    # Any: JSON of a record or of the config.
    @classmethod
    def of(cls, value: Mapping[str, Any] | None) -> Description:
        """Returns the description that stands in a record or in the config."""
        value = value or {}
        return cls(
            name=_text(value.get("name")),
            url=_text(value.get("url")),
            card=_text(value.get("card_url") or value.get("card")),
            license=_text(value.get("license")),
            citations=texts(value.get("citations") or value.get("citation")),
            revision=_text(value.get("revision")),
            kind=_text(value.get("kind")),
        )

    def over(self, other: Description) -> Description:
        """Returns this description, with its gaps filled in from another."""
        names = Description.__dataclass_fields__
        return Description(**{name: getattr(self, name) or getattr(other, name) for name in names})

    # Any: JSON.
    def to_json(self) -> dict[str, Any]:
        """Returns the four fields that every card shows of a model or a data set."""
        return {
            "url": self.url or NOT_RECORDED,
            "card": self.card or NOT_RECORDED,
            "license": self.license or NOT_RECORDED,
            "citations": list(self.citations) or NOT_RECORDED,
        }


@dataclass(frozen=True, slots=True)
class View:
    """All that a card is made from, beside what its author states.

    Attributes:
        models: The model specs of the config as it is today: a licence may have been added after the calls were made.
        described: What the author says of sources, by their path.
        loss_history: How the loss of a training went, one mapping a step, by the training's fingerprint.
        folders: What the folders of models say of themselves, by the fingerprint of what made them.
    """

    trace: Trace
    # Any: JSON of the config.
    models: Sequence[Mapping[str, Any]] = ()
    described: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    loss_history: Mapping[str, Sequence[Mapping[str, float | int | None]]] = field(default_factory=dict)
    folders: Mapping[str, ModelFolder] = field(default_factory=dict)

    def made_by(self, fingerprint: str | None) -> Step | None:
        """Returns the step that a fingerprint names."""
        return self.trace.step(fingerprint) if fingerprint else None


def is_model_role(role: str) -> bool:
    """Whether a role holds a model; `model_<alias>` and `adapter_<alias>` are local models that the config names."""
    return role in MODEL_ROLES or role.startswith(("model_", "adapter_"))


def declared_source(step: Step) -> Description | None:
    """Returns what a task that brings something in (a load, a download) says of it."""
    declared = step.facts.get("source")
    if not isinstance(declared, Mapping):
        return None
    found = Description.of(declared)
    if found.kind:
        return found
    is_model = any(is_model_role(role) for role in step.record["outputs"])
    return found.over(Description(kind="model" if is_model else "dataset"))


def unique(values: Iterable[Any]) -> list[Any]:
    """Returns the values without repetition, in order."""
    found: list[Any] = []
    for value in values:
        if value not in found:
            found.append(value)
    return found


def texts(value: object) -> tuple[str, ...]:
    """Returns one text, or a list of texts, as a tuple without empty ones."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, (list, tuple)):
        return ()
    return tuple(str(text).strip() for text in value if str(text).strip())


def _text(value: object) -> str | None:
    return str(value).strip() or None if value is not None else None
