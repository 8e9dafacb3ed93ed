"""The form in which a verdict is asked for: in words, which are read, or as JSON, which a schema holds the model to.

Contract: in words, a reply that cannot be read after all repairs has no verdict (null), and is counted; as JSON it
fails its row, as in every rule with a schema.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dreamsmk.requests import Response
from dreamsmk.tasks.context import Asked, Context, Model
from dreamsmk.tasks.judging.verdicts import Unreadable, verdict_judge
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.reply_schema import ReplySchema

FIELD = "verdict"


# Any (in this file): a verdict of whatever kind, and JSON.
class Reader(Protocol):
    """Reads a verdict out of words; see `verdicts.Choice` and `verdicts.Score`."""

    @property
    def how(self) -> str:
        """How to answer, in words."""
        ...

    def read(self, text: str) -> Any:
        """Returns the verdict, or raises `Unreadable`."""
        ...


@dataclass(slots=True)
class Form:
    """How a verdict is asked for and read.

    Attributes:
        reader: Reads words.
        schema: What a reply must follow where JSON is asked for; its field `verdict` holds what the reader reads.
        unread: How many replies could not be read so far.
    """

    reader: Reader
    schema: ReplySchema | None = None
    unread: int = 0

    @classmethod
    def of(cls, params: Mapping[str, Any], reader: Reader, verdict: Mapping[str, Any]) -> Form:
        """Returns the form that the parameter `structured` says.

        Args:
            params: The rule's parameters.
            reader: Reads words.
            verdict: The JSON Schema of the verdict.
        """
        if not params["structured"]:
            return cls(reader)
        return cls(reader, schema_of({FIELD: verdict}))

    def ask(
        self,
        model: Model,
        params: Mapping[str, Any],
        prompts: Sequence[str],
        *,
        must_be_read: bool = False,
    ) -> Asked:
        """Returns what a model is asked."""
        asked = ask(model, params, prompts, schema=self.schema)
        if self.schema is not None:
            return asked
        judge = verdict_judge(
            self.reader.read,
            self.reader.how,
            fail_on=params["fail_on"],
            repairs=params["repairs"],
            must_be_read=must_be_read,
        )
        return dataclasses.replace(asked, judge=judge)

    def verdict(self, reply: Response) -> Any:
        """Returns the verdict of a reply; None, which is counted, where it cannot be read."""
        told = reply.text if self.schema is None else self.schema.cells(reply.text)[FIELD]
        if not isinstance(told, str):
            return float(told)
        try:
            return self.reader.read(told)
        except Unreadable:
            self.unread += 1
            return None

    def tell(self, context: Context) -> None:
        """Says how many replies could not be read, in the job's log and record."""
        context.facts["unread_replies"] = self.unread
        if self.unread:
            context.progress.note(f"{self.unread} replies could not be read: their rows have no verdict")


def schema_of(properties: Mapping[str, Any]) -> ReplySchema:
    """Returns the schema of an object with just these properties."""
    schema = {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }
    return ReplySchema.of(schema, where="the verdict")
