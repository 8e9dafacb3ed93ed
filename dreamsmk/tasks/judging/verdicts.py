"""How a verdict is read out of what a model wrote.

Contract: reading is exact, and never guesses. Where the first or the last line of a reply is the verdict and nothing
else (quotes, emphasis, a full stop and a label such as `Answer:` aside), that is it, unless both lines are verdicts and
differ. Else the verdict must be the only one that the whole reply names. What is neither is `Unreadable`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dreamsmk.requests import Failure, Judge, Request, Response
from dreamsmk.tasks.prompting.judging import asked_again, failure_by, lack_of

COMPLAINT = "This cannot be read: {fault}.\nAnswer again, with {how} alone."
_LABEL = re.compile(r"^[\w' ]{1,40}[:=]\s*(?=\S)")
_AROUND = "*_`\"'“”‘’«»()[]<>#{}|~ \t\\$"
_NUMBER = r"[-+]?\d+(?:\.\d+)?"
# "4", "4/5", "4 out of 5"
_SCORE = re.compile(rf"({_NUMBER})(?:\s*(?:/|out of|of)\s*\d+(?:\.\d+)?)?")
_SCORES = re.compile(rf"(?<![\w.,/-])({_NUMBER})(?:\s*(?:/|out of)\s*\d+(?:\.\d+)?)?(?![\w%]|[.,/-]\d)")
_SHOWN = 60


class Unreadable(ValueError):
    """A reply that says nothing that can be read."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values.

    Attributes:
        words: The words that stand for each value, wherever in the reply; case does not count.
        lines: Further words that stand for a value only as a whole line.
    """

    words: Mapping[str, Sequence[str]]
    lines: Mapping[str, Sequence[str]]

    @property
    def how(self) -> str:
        """How to answer, in words."""
        *others, last = (f"'{words[0]}'" for words in self.words.values())
        return f"{', '.join(others)} or {last}" if others else last

    def read(self, text: str) -> str:
        """Returns the value that a reply names.

        Raises:
            Unreadable: It names none, or several.
        """
        whole = {
            word.casefold(): value
            for value, words in self.words.items()
            for word in (*words, *self.lines.get(value, ()))
        }
        by_line = {whole[line.casefold()] for line in _outer_lines(text) if line.casefold() in whole}
        found = by_line if len(by_line) == 1 else self._named(text)
        if len(found) == 1:
            return found.pop()
        if found:
            names = [words[0] for value, words in self.words.items() if value in found]
            raise Unreadable(f"it names {' and '.join(repr(name) for name in names)}")
        raise Unreadable(f"it names none of {self.how}")

    def _named(self, text: str) -> set[str]:
        """Returns the values whose words stand in a text; of words that overlap, the longest."""
        values = {word.casefold(): value for value, words in self.words.items() for word in words}
        words = "|".join(re.escape(word) for word in sorted(values, key=len, reverse=True))
        return {values[match[0]] for match in re.finditer(rf"(?<!\w)(?:{words})(?!\w)", text.casefold())}


@dataclass(frozen=True, slots=True)
class Score:
    """A number; `4/5` and `4 out of 5` are 4.

    Attributes:
        least: The lowest that counts.
        most: The highest that counts.
    """

    least: float | None = None
    most: float | None = None

    @property
    def how(self) -> str:
        """How to answer, in words."""
        if self.least is not None and self.most is not None:
            return f"a number from {self.least:g} to {self.most:g}"
        return "a number"

    def read(self, text: str) -> float:
        """Returns the number that a reply gives.

        Raises:
            Unreadable: It gives none, or several, or one that does not count.
        """
        lines = [match[1] for line in _outer_lines(text) if (match := _SCORE.fullmatch(line))]
        found = {float(number) for number in lines}
        if len(found) != 1:
            found = {float(number) for number in _SCORES.findall(text)}
        if len(found) != 1:
            numbers = ", ".join(f"{number:g}" for number in sorted(found)[:5])
            raise Unreadable(f"it gives several numbers: {numbers}" if found else "it gives no number")
        score = found.pop()
        if (self.least is not None and score < self.least) or (self.most is not None and score > self.most):
            raise Unreadable(f"{score:g} is not {self.how}")
        return score


# Any: a verdict of whatever kind.
def verdict_judge(
    read: Callable[[str], Any], how: str, *, fail_on: Sequence[str], repairs: int, must_be_read: bool = False
) -> Judge:
    """Returns what looks at each reply: one that cannot be read is shown why, and asked for again.

    Args:
        read: Reads a verdict, or raises `Unreadable`.
        how: How to answer, in words.
        fail_on: Which replies fail their row; see `rules/_params/failures.yaml`.
        repairs: How often a reply is asked for again.
        must_be_read: Whether a row fails whose reply cannot be read after that; else the reply is taken as it is.
    """
    failing = frozenset(fail_on)

    def judge(request: Request, response: Response, earlier: int) -> Request | Failure | None:
        lack = lack_of(response)
        if lack is not None and lack in failing:
            return failure_by(lack, response)
        try:
            read(response.text)
        except Unreadable as exc:
            # what was cut off, held back or refused would be again
            if earlier < repairs and lack in (None, "empty"):
                return asked_again(request, response, COMPLAINT.format(fault=exc, how=how))
            shown = " ".join(response.text.split())[:_SHOWN]
            reason = f"the reply cannot be read: {exc}: {shown!r}"
            return Failure("other", reason, response=response) if must_be_read else None
        return None

    return judge


def _outer_lines(text: str) -> Iterator[str]:
    """Yields the first and the last line of a text, without what may stand around a verdict."""
    lines = [line for line in text.splitlines() if line.strip(_AROUND)]
    for line in (lines[0], lines[-1]) if lines else ():
        bare = _bare(line)
        yield bare
        yield _bare(_LABEL.sub("", bare))


def _bare(line: str) -> str:
    line = line.strip(_AROUND)
    while line.endswith((".", "!", ",", ":", ";")):
        line = line[:-1].rstrip(_AROUND)
    return line
