"""How good each of several replies is: a judge model, a function of the user's, a pattern, or the length.

Contract: a higher score is better. What cannot be scored has no score: a reply whose rating failed, one for
which a function returns None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.requests import Failure, Response
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.functions import failure_of, load_function
from dreamsmk.tasks.judging.forms import schema_of
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.reply_schema import ReplySchema
from dreamsmk.tasks.recipes.passes import judge_params

WAYS = ("judge", "function", "pattern", "length")
# From a prompt and a reply.
Scorer = Callable[[str, str], float | None]

# As in the rule `rate`.
_LAYOUT = """\
Prompt:
{prompt}

Response:
{reply}

Rate the response to the prompt. The rating is a whole number from {low} to {high}.

Rubric:
{rubric}"""
RATING = "rating"


# Any: JSON.
def way_of(params: Mapping[str, Any]) -> str:
    """Returns how replies are scored: the name of the one parameter that says so.

    Raises:
        SettingsError: None does, or several do, or the judge's scale or the pattern is none.
    """
    given = [name for name in WAYS if params[name] is not None]
    if len(given) != 1:
        what = f"replies are scored by {' and by '.join(given)}" if given else "nothing says how replies are scored"
        raise SettingsError(what, where="judge", hint=f"give one of {', '.join(WAYS)}")
    if given == ["judge"] and params["judge"]["scale"][0] >= params["judge"]["scale"][1]:
        low, high = params["judge"]["scale"]
        raise SettingsError(
            f"the scale goes from {low} to {high}", where="judge.scale", hint="give the lower end first"
        )
    if given == ["pattern"]:
        compiled(params["pattern"], where="pattern")
    return given[0]


def compiled(pattern: str, *, where: str) -> re.Pattern[str]:
    """Returns a regular expression.

    Raises:
        SettingsError: It is none.
    """
    try:
        return re.compile(pattern)
    except re.error as exc:
        raise SettingsError(f"this is no regular expression: {exc}", where=where) from exc


# Any: JSON.
def scorer_of(params: Mapping[str, Any]) -> Scorer:
    """Returns what scores a reply without a model."""
    way = way_of(params)
    if way == "function":
        return _user_scorer(params["function"])
    if way == "pattern":
        pattern = compiled(params["pattern"], where="pattern")
        return lambda prompt, reply: float(pattern.search(reply) is not None)
    sign = 1.0 if params["length"] == "longest" else -1.0
    return lambda prompt, reply: sign * len(reply)


def ask_judge(context: Context, pairs: Sequence[tuple[str, str]], *, max_failures: float) -> Asked:
    """Returns what the judge is asked about prompts and replies to them."""
    judge = context.params["judge"]
    low, high = judge["scale"]
    prompts = [
        _LAYOUT.format(prompt=prompt, reply=reply, low=low, high=high, rubric=judge["rubric"].strip())
        for prompt, reply in pairs
    ]
    given = {name: judge[name] for name in ("temperature", "max_tokens", "repairs")}
    return ask(context.model(judge["model"]), judge_params(max_failures, **given), prompts, schema=_schema(judge))


# Any: JSON.
def judged_scores(judge: Mapping[str, Any], replies: Sequence[Response | Failure]) -> list[float | None]:
    """Returns the score in each reply of the judge; None where there is none."""
    schema = _schema(judge)
    return [float(schema.cells(reply.text)[RATING]) if isinstance(reply, Response) else None for reply in replies]


# Any: JSON.
def _schema(judge: Mapping[str, Any]) -> ReplySchema:
    low, high = judge["scale"]
    return schema_of({RATING: {"type": "integer", "minimum": low, "maximum": high}})


def _user_scorer(reference: str) -> Scorer:
    base = Path.cwd()
    function = load_function(reference, base)

    def score(prompt: str, reply: str) -> float | None:
        try:
            returned = function(prompt, reply)
        except Exception as exc:  # user code may raise anything; translated here, once
            place, reason = failure_of(exc, base)
            raise TableError(f"the function failed: {reason}", where=f"{place or reference}, {_shown(reply)}") from exc
        if returned is None:
            return None
        is_number = isinstance(returned, (bool, int, float)) or hasattr(returned, "__float__")
        if not is_number or math.isnan(float(returned)):
            raise TableError(f"the function returned {returned!r}, no number", where=f"{reference}, {_shown(reply)}")
        return float(returned)

    return score


def _shown(reply: str) -> str:
    return f"for the reply {' '.join(reply.split())[:60]!r}"
