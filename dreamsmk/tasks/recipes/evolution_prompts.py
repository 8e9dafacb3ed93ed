"""How an instruction is evolved: the operations of Evol-Instruct (Xu et al., "WizardLM", 2023), in words of our own.

Contract: the prompts are part of the results: to change a word is to raise the rule's version. The operation
"complicate the input" of the paper (tables, code or formulas put into the instruction) is left out.
"""

from __future__ import annotations

from collections.abc import Mapping

BREADTH = "breadth"
# Harder versions of the same instruction, by operation.
DEPTH: Mapping[str, str] = {
    "constraints": "Make it harder by one more condition that the answer has to meet.",
    "deepening": "Make it harder by going further into the matter that it asks about: ask for more depth or breadth.",
    "concretizing": "Make it harder by putting something more specific in the place of what is general in it.",
    "reasoning": "Make it harder so that it cannot be solved in one or two steps of thought: it should take several.",
}
OPERATIONS = (*DEPTH, BREADTH)

_DEPTH_LAYOUT = """\
Turn the instruction at the end into a harder version of itself. {method}
It must stay reasonable: people understand it and can carry it out. Lengthen it by no more than 20 words, and keep \
tables, code and quotations in it as they are. Reply with the harder version alone, with nothing before or after it.

Instruction:
{text}

Harder version:"""

_BREADTH_LAYOUT = """\
Take the instruction at the end as inspiration and write another one. It belongs to the same field, but is about \
something that is asked for less often, and is about as long and as difficult.
It must be reasonable: people understand it and can carry it out. Reply with the other instruction alone, with nothing \
before or after it.

Instruction:
{text}

Other instruction:"""

_COMPARISON_LAYOUT = """\
Do these two instructions ask for the same thing, under the same conditions and at the same depth?

First instruction:
{first}

Second instruction:
{second}

Answer with one word, same or different."""

# What shows that the model repeats its prompt, unless it stands in the instruction already.
PROMPT_WORDS = ("harder version", "other instruction", "instruction at the end", "instruction:")


def evolution_prompt(operation: str, text: str, methods: Mapping[str, str]) -> str:
    """Returns the prompt that evolves an instruction.

    Args:
        operation: Its name.
        text: The instruction.
        methods: Operations of the user's, each a sentence that says how the instruction becomes harder.
    """
    if operation == BREADTH and BREADTH not in methods:
        return _BREADTH_LAYOUT.format(text=text)
    return _DEPTH_LAYOUT.format(method=({**DEPTH, **methods})[operation], text=text)


def comparison_prompt(first: str, second: str) -> str:
    """Returns the prompt that asks whether an evolved instruction brings anything new."""
    return _COMPARISON_LAYOUT.format(first=first, second=second)


def says_same(reply: str) -> bool:
    """Says whether a reply to the comparison is that both are the same; one that says neither is no."""
    words = reply.casefold()
    return "same" in words and "different" not in words
