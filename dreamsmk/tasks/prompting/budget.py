"""Which examples a prompt has room for: few-shot examples and retrieved texts, cut to the model's context.

Contract: examples are tried in the order given; one that does not fit is skipped, and later, shorter ones may still
fit. What must be in the prompt (the instruction, the input) is never cut. The choice is a function of the texts, the
rule's parameters and the model's own files alone: no service is asked for a limit, so that a prompt is the same on
every machine and day. This is how `format_prompt` of DataDreamer (ACL 2024) chooses, at the cost of counting each text
once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from dreamsmk.errors import SettingsError, TableError
from dreamsmk.providers import is_local_path, provider_class
from dreamsmk.providers.measure import Measure
from dreamsmk.requests import Message
from dreamsmk.tasks.context import Context, Model
from dreamsmk.tasks.prompting.reply_schema import ReplySchema

# Where no tokenizer is known, a token is taken for three bytes of UTF-8: too many tokens for English, about right for
# Chinese. A guess that is too high leaves an example out; one that is too low has the prompt rejected.
BYTES_PER_TOKEN = 3
TOKENS_PER_MESSAGE = 4
# Two texts that are joined may have a token or two more or fewer than both have alone.
TOKENS_PER_SEAM = 2
_COUNTS_KEPT = 65_536


class ExampleBudget:
    """Chooses the examples of prompts.

    Args:
        room: How many tokens the text of a prompt may have; None without a limit.
        count: Counts the tokens of a text.
        least: The fewest examples that a prompt must have; None for one where there are any.
        most: The most examples that a prompt may have; None without a limit.
    """

    def __init__(
        self,
        room: int | None,
        count: Callable[[str], int],
        *,
        least: int | None = None,
        most: int | None = None,
    ) -> None:
        if least is not None and most is not None and least > most:
            raise SettingsError(f"at least {least} examples, and at most {most}", where="params.min_examples")
        self.room = room
        self._exact = count
        self._count = lru_cache(_COUNTS_KEPT)(count)
        self._least = least
        self._most = most
        self._counted: tuple[Sequence[str], list[int]] = ((), [])

    @classmethod
    def of(cls, context: Context, model: Model, schema: ReplySchema | None = None) -> ExampleBudget:
        """Returns the budget of a job whose rule includes the parameters of `rules/_params/examples.yaml`.

        Tokens are counted by the file of the input `tokenizer`, else by the model's own tokenizer, else estimated. The
        limit is the parameter `context_length` and the model's own, whichever is less; without either there is none.

        Raises:
            SettingsError: Nobody says how long the replies may be, or there is no room for a prompt.
        """
        params = context.params
        measure = _measure(model)
        files = context.inputs.get("tokenizer")
        count = _tokenizer(files[0]) if files else estimated_tokens if measure is None else measure.text_tokens
        limits = [params["context_length"], measure.context_length if measure is not None else None]
        context_length = min((limit for limit in limits if limit is not None), default=None)
        least, most = params["min_examples"], params["max_examples"]
        if context_length is None:
            return cls(None, count, least=least, most=most)
        taken = _around(params["system_prompt"], measure, count) + _schema_tokens(schema, count)
        if measure is None or measure.is_reply_inside:
            taken += _reply_tokens(params, model)
        if taken >= context_length:
            raise SettingsError(
                f"the reply and the system message take {taken} tokens, and the context has {context_length}",
                where="params.max_tokens",
                hint="give a lower max_tokens, or a model with a longer context",
            )
        return cls(context_length - taken, count, least=least, most=most)

    def choose(self, head: str, examples: Sequence[str], tail: str, *, where: str) -> list[int]:
        """Returns which examples go into a prompt, by index, in their order.

        The prompt is `head`, the chosen examples and `tail`, joined by nothing: separators are part of the texts. An
        example list that is given again, as the same object, is counted once.

        Args:
            head: What stands before the examples; never left out.
            examples: The examples, best first.
            tail: What stands after them; never left out.
            where: What an error says of the row.

        Raises:
            TableError: The texts that must be there do not fit, or too few examples do.
        """
        most = len(examples) if self._most is None else min(self._most, len(examples))
        chosen = list(range(most)) if self.room is None else self._chosen(head, examples, tail, most, where)
        least = self._least if self._least is not None else min(1, len(examples))
        if len(chosen) < least:
            raise TableError(
                f"there is room for {len(chosen)} examples, and there must be {least}",
                where=where,
                hint="give fewer min_examples, shorter examples, or a longer context",
            )
        return chosen

    def _chosen(self, head: str, examples: Sequence[str], tail: str, most: int, where: str) -> list[int]:
        assert self.room is not None
        used = self._count(head) + self._count(tail)
        if not self._fits(used, [head, tail]):
            raise TableError(
                f"the prompt has {self._exact(head + tail)} tokens without examples, and there is room for {self.room}",
                where=where,
                hint="shorten it, lower max_tokens, or take a model with a longer context",
            )
        counts = self._counts(examples)
        smallest = min(counts, default=0)
        chosen: list[int] = []
        for index, tokens in enumerate(counts):
            seams = TOKENS_PER_SEAM * (len(chosen) + 2)
            if len(chosen) == most or used + smallest > self.room + seams:
                break
            if self._fits(used + tokens, [head, *(examples[i] for i in [*chosen, index]), tail]):
                chosen.append(index)
                used += tokens
        return chosen

    def _fits(self, tokens: int, texts: Sequence[str]) -> bool:
        """Whether texts that have so many tokens one by one fit; they are counted as a whole where it is close."""
        assert self.room is not None
        seams = TOKENS_PER_SEAM * (len(texts) - 1)
        if abs(tokens - self.room) > seams:
            return tokens < self.room
        return self._exact("".join(texts)) <= self.room

    def _counts(self, examples: Sequence[str]) -> list[int]:
        if self._counted[0] is not examples:
            self._counted = (examples, [self._count(text) for text in examples])
        return self._counted[1]


def estimated_tokens(text: str) -> int:
    """Returns about how many tokens a text has, on the high side."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def _measure(model: Model) -> Measure | None:
    """Returns how a model counts; nothing of a folder that a plan knows of before it is made."""
    provider = provider_class(model.spec.provider)
    folder = model.spec.model
    if provider.capabilities.is_local and is_local_path(folder) and not Path(folder).expanduser().exists():
        return None
    return provider.measure(model.spec)


def _tokenizer(path: Path) -> Callable[[str], int]:
    """Returns what counts by a `tokenizer.json`.

    Raises:
        SettingsError: The file is none.
        MissingExtra: The library for it is not installed.
    """
    from dreamsmk.providers.base import check_packages

    check_packages(["tokenizers"], "transformers")
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as exc:  # the library raises this very class for a file that it cannot read
        raise SettingsError(
            f"the file is no tokenizer: {' '.join(str(exc).split())[:200]}",
            where=str(path),
            hint="give the tokenizer.json of the model",
        ) from exc
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def _around(system: str | None, measure: Measure | None, count: Callable[[str], int]) -> int:
    """Returns the tokens of a prompt that are not of its text: the system message, and what marks the turns."""
    if measure is None:
        return TOKENS_PER_MESSAGE if system is None else 2 * TOKENS_PER_MESSAGE + count(system)
    turns = [] if system is None else [Message("system", system)]
    # some chat templates take no empty message
    return measure.prompt_tokens([*turns, Message("user", "x")]) - measure.text_tokens("x")


def _schema_tokens(schema: ReplySchema | None, count: Callable[[str], int]) -> int:
    """Returns the tokens of a schema: in the prompt, or in words that a service puts there."""
    return 0 if schema is None else count("\n\n" + schema.in_words())


# Any: JSON.
def _reply_tokens(params: Mapping[str, Any], model: Model) -> int:
    default = provider_class(model.spec.provider).capabilities.default_max_tokens
    tokens: int | None = params["max_tokens"] or model.spec.max_tokens or default
    if tokens is None:
        raise SettingsError(
            "there is a limit of the context, and nobody says how much of it the reply takes",
            where="params.max_tokens",
            hint="give max_tokens here or in the model spec",
        )
    return tokens
