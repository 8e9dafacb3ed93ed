"""What the author of a card states: everything that cannot be recorded while a target is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from dreamsmk.cards.description import NOT_STATED, texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """The author's part of a card; absent fields read `not stated`.

    Attributes:
        kind: `data`, `model`, or `auto` for what the targets are.
        license: The licence under which the target itself is published, as the Hub spells it.
        license_link: Where the text of a licence stands that the Hub has no name for.
        language: Codes of the languages of the target, ISO 639.
        citation: BibTeX entry for the target itself.
        repo_id: Where the target is published on the Hub; the loading snippet then loads it from there.
        scored_as: The name that the model has in the tables of scores.
        sources: Name, url, card_url, license and citation of sources, by their path.
    """

    title: str | None = None
    kind: str = "auto"
    summary: str | None = None
    license: str | None = None
    license_link: str | None = None
    language: tuple[str, ...] = ()
    citation: str | None = None
    url: str | None = None
    repo_id: str | None = None
    tags: tuple[str, ...] = ()
    intended_use: str | None = None
    limitations: str | None = None
    biases: str | None = None
    personal_information: str | None = None
    social_impact: str | None = None
    scored_as: str | None = None
    # Any: JSON of the parameters.
    sources: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    # Any: JSON of the parameters.
    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Statement:
        """Returns the statement in the parameters of a card; parameters of other meaning are passed over."""
        names = {f.name for f in fields(cls)}
        given = {name: value for name, value in params.items() if name in names and value not in (None, "", [], {})}
        for name in ("language", "tags"):
            if name in given:
                given[name] = texts(given[name])
        return cls(**given)

    # Any: JSON.
    def to_json(self) -> dict[str, Any]:
        """Returns the fields that stand in a card under `stated`."""
        shown = ("license", "license_link", "citation", "url", "repo_id", *RESPONSIBLE_USE)
        stated: dict[str, Any] = {name: getattr(self, name) or NOT_STATED for name in shown}
        return {**stated, "language": list(self.language) or NOT_STATED, "tags": list(self.tags)}


RESPONSIBLE_USE = ("intended_use", "limitations", "biases", "personal_information", "social_impact")
