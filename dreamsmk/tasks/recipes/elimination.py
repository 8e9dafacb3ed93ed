"""Which evolutions of an instruction have failed (Xu et al., "WizardLM", 2023, "Elimination Evolving").

Contract: a pure function of the reply and of the texts before it. The paper finds refusals in the answer to the evolved
instruction; here the reply that should be an instruction is looked at, so that nothing needs to be answered first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from dreamsmk.requests import Failure, Response
from dreamsmk.tasks.prompting.judging import lack_of
from dreamsmk.tasks.recipes.evolution_prompts import PROMPT_WORDS

Fault = Literal["failed", "cut", "refusal", "empty", "unchanged", "copied", "equal"]
_LACKS: Mapping[str | None, Fault] = {"length": "cut", "refusal": "refusal", "content_filter": "refusal"}
# A refusal is short; a long text may well say sorry.
REFUSAL_WORDS = 80
_REFUSALS = (
    *("sorry", "i'm sorry", "i am sorry", "i apologize", "unfortunately, i", "as an ai", "as a language model"),
    *("i cannot", "i can't", "i can not", "i am unable", "i'm unable"),
)


def fault_of(outcome: Response | Failure, chain: Iterable[str]) -> Fault | None:
    """Returns why an evolution is eliminated; None where it is not.

    Args:
        outcome: The reply that is the evolved instruction.
        chain: The instructions that it came from.
    """
    if isinstance(outcome, Failure):
        return "failed"
    lack = lack_of(outcome)
    if lack in _LACKS:
        return _LACKS[lack]
    evolved, before = _plain(outcome.text), [_plain(text) for text in chain]
    found: dict[Fault, bool] = {
        "empty": not any(character.isalnum() for character in evolved),
        "unchanged": evolved in before,
        "refusal": evolved.startswith(_REFUSALS) and len(evolved.split()) < REFUSAL_WORDS,
        "copied": any(words in evolved and not any(words in text for text in before) for words in PROMPT_WORDS),
    }
    return next((fault for fault, is_so in found.items() if is_so), None)


def _plain(text: str) -> str:
    return " ".join(text.casefold().replace("’", "'").split())
