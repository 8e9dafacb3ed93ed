"""The answer in a reply, and what most replies agree on.

Contract: pure functions. Answers are the same where their words are, whatever white space is between them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dreamsmk.errors import SettingsError, nearest
from dreamsmk.tasks.prompting.reply_schema import ReplySchema
from dreamsmk.tasks.recipes.scoring import compiled


@dataclass(frozen=True, slots=True)
class Vote:
    """What the answers of one row come to.

    Attributes:
        sample: The first sample that gives the answer of the majority; None where there is no answer at all.
        votes: How many samples give it.
        is_tied: Whether another answer has as many votes.
    """

    sample: int | None
    votes: int
    is_tied: bool


# Any: JSON.
def check_answer(params: Mapping[str, Any], fields: Sequence[str] | None) -> None:
    """Raises `SettingsError` for parameters that make no sense together; `fields` are those of the schema."""
    if params["pattern"] is not None:
        if params["field"] is not None:
            raise SettingsError("the answer is both a field and what a pattern finds", where="pattern")
        if compiled(params["pattern"], where="pattern").groups > 1:
            raise SettingsError("the pattern has several groups", where="pattern", hint="make all but one (?:…)")
    if fields and params["field"] is None:
        raise SettingsError("which field of the schema is the answer?", where="field", hint=", ".join(fields))
    if params["field"] is not None and fields is not None and params["field"] not in fields:
        hint = nearest(params["field"], fields) if fields else "give a schema"
        raise SettingsError(f"no field {params['field']!r} is in the schema", where="field", hint=hint)


# Any: JSON.
def answer_of(text: str, params: Mapping[str, Any], schema: ReplySchema | None) -> str | None:
    """Returns the answer in a reply: a field, what the pattern finds last, or the last line; None without one."""
    if schema is not None:
        value = schema.cells(text)[params["field"]]
        found = value if isinstance(value, str) or value is None else json.dumps(value, ensure_ascii=False)
    elif params["pattern"] is not None:
        matches = list(compiled(params["pattern"], where="pattern").finditer(text))
        found = matches[-1][matches[-1].re.groups] if matches else None
    else:
        lines = [line for line in text.splitlines() if line.strip()]
        found = lines[-1] if lines else None
    return " ".join(found.split()) or None if found is not None else None


def majority(answers: Sequence[str | None], *, ignore_case: bool = False) -> Vote:
    """Returns the vote of one row; of answers with as many votes the one that was given first is taken."""
    keys = [answer.casefold() if ignore_case and answer is not None else answer for answer in answers]
    # a counter keeps the order of the first occurrence
    counted = Counter(key for key in keys if key is not None)
    if not counted:
        return Vote(None, 0, False)
    winner = max(counted, key=lambda key: counted[key])
    votes = counted[winner]
    return Vote(keys.index(winner), votes, sum(count == votes for count in counted.values()) > 1)
