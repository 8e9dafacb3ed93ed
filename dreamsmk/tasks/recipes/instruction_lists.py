"""Lists of instructions that a model goes on with (Self-Instruct; Wang et al., 2022), and what of them can be used.

Contract: the prompt and the rules are part of the results: to change them is to raise the rule's version. A reply is
read by its numbers; of one that was cut off, the last instruction is left out.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from dreamsmk.requests import Response
from dreamsmk.tasks.prompting.judging import lack_of
from dreamsmk.tasks.recipes.similarity import words_of

Reason = Literal["short", "long", "excluded", "symbol", "program", "similar"]

_LAYOUT = """\
Here is the beginning of a list of varied tasks, each given as one instruction. Go on with the list: write {more} \
more, numbered {first} to {last}, one a line. They must differ from those above and from each other in topic, in \
wording and in what is asked for, and a language model must be able to do them \
without seeing or making anything but text.

{shown}
{first}."""
_ITEM = re.compile(r"^\s*(?:[#*>-]\s*)?\**(?:task\s*)?(\d{1,4})\s*[.):]\**(?!\d)\s*(.*)$", re.IGNORECASE)
# Words of tasks that no language model can do with text alone, as in the paper.
EXCLUDED = (
    *("image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps", "draw", "plot"),
    *("go to", "video", "videos", "audio", "music", "flowchart", "diagram"),
)
LEAST_WORDS, MOST_WORDS = 3, 150


def list_prompt(shown: Sequence[str], more: int) -> str:
    """Returns the prompt that asks for more instructions after some; each of these is brought to one line."""
    lines = [f"{number}. {' '.join(text.split())}" for number, text in enumerate(shown, start=1)]
    first = len(shown) + 1
    return _LAYOUT.format(more=more, first=first, last=first + more - 1, shown="\n".join(lines))


def listed(reply: Response, first: int) -> list[str]:
    """Returns the instructions of a reply.

    Args:
        reply: The reply; it may begin after the number that the prompt ends with.
        first: That number.
    """
    lines = reply.text.splitlines()
    numbers = {int(found[1]) for line in lines if (found := _ITEM.match(line))}
    # what stands before the first number is talk, unless it goes on after the number that the prompt ends with
    is_begun = not numbers & {first, 1}
    items: list[list[str]] = [[]] if is_begun else []
    number = first if is_begun else 0
    for line in lines:
        found = _ITEM.match(line)
        # numbers go up; a list inside an instruction begins anew
        if found and int(found[1]) > number:
            number = int(found[1])
            items.append([found[2]])
        elif items:
            items[-1].append(line)
    if lack_of(reply) == "length":
        items = items[:-1]
    texts = (" ".join(" ".join(item).split()) for item in items)
    return [text for text in texts if text]


def fault_of_instruction(text: str, excluded: Sequence[str]) -> Reason | None:
    """Returns why an instruction cannot be used, without regard to others; None where it can."""
    words = words_of(text)
    if len(words) < LEAST_WORDS:
        return "short"
    if len(words) > MOST_WORDS:
        return "long"
    if not text[0].isalnum() and text[0] not in "\"'“‘«¿¡([":
        return "symbol"
    joined = f" {' '.join(words)} "
    if any(f" {' '.join(words_of(phrase))} " in joined for phrase in excluded):
        return "excluded"
    # the paper's model wrote many that only say: write a program
    return "program" if text.casefold().startswith("write a program") else None
