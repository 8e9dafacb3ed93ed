"""How alike two instructions are, and which of many is most like a new one.

Contract: the measure is ROUGE-L (Lin, 2004) with equal weight on precision and recall: twice the longest common
subsequence of words over the words of both, from 0 to 1. Words are runs of letters and digits without regard to case;
of scripts that are written without spaces, each character is one. It is exact, and the same in whatever order texts are
compared; of several that are as alike the first is named.
"""

from __future__ import annotations

import re

from dreamsmk.providers.base import check_packages

# Scripts that are written without spaces: Thai, Lao, Hiragana, Katakana, Han.
_ALONE = r"\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"(?=\w)[{_ALONE}]|[^\W_{_ALONE}]+")
# Where characters that stand for words begin: private ones, of which there is room for a million words.
_FIRST = 0xE000
EXTRA = "recipes"


class LikeTexts:
    """Texts to compare others with.

    Each distinct word becomes one character, so that texts are compared as strings, which the library does fastest.

    Raises:
        MissingExtra: The library that compares is not installed.
    """

    def __init__(self) -> None:
        check_packages(["rapidfuzz"], EXTRA)
        self.texts: list[str] = []
        self._encoded: list[str] = []
        self._characters: dict[str, str] = {}

    def add(self, text: str) -> None:
        """Adds a text."""
        self.texts.append(text)
        self._encoded.append(self._encode(text))

    def nearest(self, text: str) -> tuple[str | None, float]:
        """Returns the text that is most like another, and how much; None where there is none with a word in common."""
        from rapidfuzz import process
        from rapidfuzz.distance import Indel

        # 1 - (insertions + deletions) / words of both is twice the common subsequence over the words of both
        found = process.extractOne(self._encode(text), self._encoded, scorer=Indel.normalized_similarity)
        if found is None or found[1] == 0:
            return None, 0.0
        return self.texts[found[2]], float(found[1])

    def _encode(self, text: str) -> str:
        known = self._characters
        return "".join(known.setdefault(word, chr(_FIRST + len(known))) for word in words_of(text))


def words_of(text: str) -> list[str]:
    """Returns the words of a text."""
    return _WORD.findall(text.casefold())
