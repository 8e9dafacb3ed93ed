"""New instructions from a few seeds (Self-Instruct; Wang et al., 2022).

Contract: calls are made in rounds. Those of a round see the pool as it was when the round began, and what they show is
drawn from the seed, the round and the number of the call, so that the requests are the same in every run and do not
depend on `n`: to raise it pays for further rounds alone. Replies are looked at in order. Seeds are taken in the order
of their texts, each once, so that their order in the table does not matter.

Beside the paper: only instructions are made, and no instances (another rule answers them); the model is instructed and
not only shown a list; similarity is counted on words of every script.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dreamsmk.errors import ProviderError, SettingsError
from dreamsmk.requests import Response
from dreamsmk.tables import TableWriter
from dreamsmk.tasks.context import Asked, Context
from dreamsmk.tasks.prompting.asking import ask
from dreamsmk.tasks.prompting.generations import generation_columns, read_texts
from dreamsmk.tasks.prompting.sampling import varied
from dreamsmk.tasks.recipes.drawing import drawn_places
from dreamsmk.tasks.recipes.instruction_lists import Reason, fault_of_instruction, list_prompt, listed
from dreamsmk.tasks.recipes.made_rows import MadeRows, write_made
from dreamsmk.tasks.recipes.passes import Passes
from dreamsmk.tasks.recipes.similarity import LikeTexts

# As in the paper.
TEMPERATURE = 0.7
COLUMNS = ("instruction", "nearest", "similarity", "round", "call")
REJECTED = {"instruction": "String", "reason": "String", "nearest": "String", "similarity": "Float64"}
REJECTED |= {"round": "Int64", "call": "Int64"}


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote in one call.

    Attributes:
        round: The round, from 1.
        call: The number of the call in its round, from 1.
        first: The number of the first instruction that was to be written.
    """

    round: int
    call: int
    first: int
    prompt: str
    reply: Response


@dataclass(frozen=True, slots=True)
class Found:
    """One instruction that a model wrote.

    Attributes:
        nearest: What of the pool it is most like.
        reason: Why it is not taken; None where it is.
        written: Where it stands.
    """

    instruction: str
    nearest: str | None
    similarity: float
    reason: Reason | None
    written: Written


@dataclass(slots=True)
class Pool:
    """The instructions so far.

    Attributes:
        seeds: Those that were given.
        found: Those that were written, in their order.
    """

    seeds: Sequence[str]
    like: LikeTexts = field(default_factory=LikeTexts)
    found: list[Found] = field(default_factory=list)

    @classmethod
    def of(cls, context: Context) -> Pool:
        """Returns the pool that a job begins with."""
        texts = {" ".join(text.split()) for text in read_texts(context.input(), context.params["inputs"])}
        pool = cls(sorted(texts - {""}))
        for text in pool.seeds:
            pool.like.add(text)
        return pool

    @property
    def taken(self) -> list[Found]:
        """Those of the written ones that are new."""
        return [each for each in self.found if each.reason is None]


def self_instruct(context: Context) -> None:
    """Writes n new instructions, if so many come."""
    params = context.params
    pool, passes = Pool.of(context), Passes(params["max_failures"])
    for number in range(1, params["max_rounds"] + 1):
        if len(pool.taken) >= params["n"]:
            break
        firsts, asked = _round(context, pool, number)
        for call, outcome in enumerate(passes.outcomes(asked)):
            if isinstance(outcome, Response):
                written = Written(number, call + 1, firsts[call], asked.prompts[call], outcome)
                _take(params, pool, written)
        context.progress.note(f"round {number}: {len(pool.taken)} of {params['n']} instructions")
    _check_enough(params, pool)
    _write(context, pool)


def plan(context: Context) -> Iterator[Asked]:
    """Yields what the task would ask: as many rounds as are needed if all is new, as they would be without replies."""
    params = context.params
    pool = Pool.of(context)
    for number in range(1, min(params["max_rounds"], math.ceil(params["n"] / _per_round(params))) + 1):
        yield _round(context, pool, number)[1]


# Any: JSON.
def columns(params: Mapping[str, Any], inputs: Mapping[str, Sequence[str] | None]) -> dict[str, list[str] | None]:
    """Returns the columns of both tables.

    Raises:
        SettingsError: More rows must be there than may.
    """
    least = params["at_least"]
    if params["shown_seeds"] > params["shown"]:
        raise SettingsError("more seeds are shown than instructions in all", where="shown_seeds")
    if least is not None and least > params["n"]:
        raise SettingsError(f"at least {least} instructions, and no more than {params['n']}", where="at_least")
    return {"table": _names(params), "rejected": list(REJECTED)}


# Any: JSON.
def rows(params: Mapping[str, Any], inputs: Mapping[str, int | None]) -> dict[str, int | None]:
    """Returns the number of rows: n, unless fewer will do; how many are rejected is not known."""
    return {"table": params["n"] if params["at_least"] in (None, params["n"]) else None, "rejected": None}


# Any: JSON.
def _names(params: Mapping[str, Any]) -> list[str]:
    # a call that fails has no row that could say so
    names = generation_columns({**params, "max_failures": 0}, (), COLUMNS)
    assert names is not None
    return names


# Any: JSON.
def _per_round(params: Mapping[str, Any]) -> int:
    per_round: int = params["calls_per_round"] * params["per_call"]
    return per_round


def _round(context: Context, pool: Pool, number: int) -> tuple[list[int], Asked]:
    """Returns what is asked in a round, and the number of the first new instruction of each call."""
    params, taken = context.params, [each.instruction for each in pool.taken]
    shown: list[list[str]] = []
    for call in range(1, params["calls_per_round"] + 1):
        at = (params["draw_seed"], number, call)
        # where little is written yet, seeds stand in
        written = drawn_places(params["shown"] - params["shown_seeds"], len(taken), "written", *at)
        seeds = drawn_places(params["shown"] - len(written), len(pool.seeds), "seeds", *at)
        texts = [pool.seeds[place] for place in seeds] + [taken[place] for place in written]
        shown.append([texts[place] for place in drawn_places(len(texts), len(texts), "order", *at)])
    prompts = [list_prompt(texts, params["per_call"]) for texts in shown]
    model = context.model(params["model"])
    sampling = varied(context, model, TEMPERATURE)
    # two calls may draw the same, and each is to be one of its own
    samples = range((number - 1) * len(prompts), number * len(prompts))
    asked = ask(model, {**params, "repairs": 0}, prompts, schema=None, samples=samples, **sampling)
    return [len(texts) + 1 for texts in shown], asked


# Any: JSON.
def _take(params: Mapping[str, Any], pool: Pool, written: Written) -> None:
    """Puts what is new of a reply into the pool."""
    for text in listed(written.reply, written.first)[: params["per_call"]]:
        reason = fault_of_instruction(text, params["excluded"])
        nearest, similarity = pool.like.nearest(text)
        if reason is None and similarity >= params["similarity"]:
            reason = "similar"
        if reason is None:
            pool.like.add(text)
        pool.found.append(Found(text, nearest, similarity, reason, written))


# Any: JSON.
def _check_enough(params: Mapping[str, Any], pool: Pool) -> None:
    least = params["n"] if params["at_least"] is None else params["at_least"]
    if len(pool.taken) >= least:
        return
    reasons = Counter(each.reason for each in pool.found if each.reason is not None).most_common()
    why = ", ".join(f"{count} {reason}" for reason, count in reasons) or "none could be read"
    raise ProviderError(
        f"{len(pool.taken)} of {least} instructions came in {params['max_rounds']} rounds; not taken: {why}",
        hint="raise max_rounds (what was asked is kept), or be content with fewer: at_least",
    )


def _write(context: Context, pool: Pool) -> None:
    import polars

    taken = pool.taken[: context.params["n"]]
    types = {"similarity": polars.Float64(), "round": polars.Int64(), "call": polars.Int64()}
    replies, prompts = [each.written.reply for each in taken], [each.written.prompt for each in taken]
    write_made(context, _names(context.params), [MadeRows(_cells(taken, COLUMNS), types, replies, prompts)])
    rejected = [each for each in pool.found if each.reason is not None]
    if "rejected" in context.outputs:
        with TableWriter(context.output("rejected"), columns=REJECTED) as table:
            table.write(_cells(rejected, list(REJECTED)))
    context.facts["rejected"] = dict(sorted(Counter(str(each.reason) for each in rejected).items()))


# Any: cells.
def _cells(found: Sequence[Found], names: Sequence[str]) -> dict[str, list[Any]]:
    of_call = ("round", "call")
    return {name: [getattr(each.written if name in of_call else each, name) for each in found] for name in names}
