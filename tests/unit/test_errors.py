"""The exceptions: one root, a tree that is drawn as it is, and messages of three lines."""

from __future__ import annotations

import re

import pytest

from dreamsmk import errors
from dreamsmk.errors import DreamsmkError, MissingExtra, ProviderError, nearest

CLASSES = sorted(
    (found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, DreamsmkError)),
    key=lambda found: found.__name__,
)


def drawn_tree() -> dict[str, str]:
    """Returns each class of the tree in the module docstring with its parent."""
    parents: dict[str, str] = {}
    above: list[tuple[int, str]] = []
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"( {4}[│├└─ ]*)([A-Z]\w+)(  .*)?$", line)
        if found is None:
            continue
        depth, name = len(found[1]), found[2]
        above = [(d, n) for d, n in above if d < depth]
        parents[name] = above[-1][1] if above else "Exception"
        above.append((depth, name))
    return parents


def make(cls: type[DreamsmkError], what: str, where: str, hint: str) -> DreamsmkError:
    return cls("torch", "transformers") if cls is MissingExtra else cls(what, where=where, hint=hint)


def test_the_tree_in_the_docstring_is_the_real_one():
    assert drawn_tree() == {cls.__name__: cls.__base__.__name__ for cls in CLASSES}


@pytest.mark.parametrize("cls", CLASSES)
def test_a_message_has_at_most_three_lines(cls):
    assert len(str(make(cls, "what", "where", "do this")).splitlines()) <= 3


@pytest.mark.parametrize(
    ("where", "hint", "expected"),
    [
        ("", "", "what"),
        ("here", "", "what\nat: here"),
        ("", "do this", "what\nhint: do this"),
        ("here", "do this", "what\nat: here\nhint: do this"),
    ],
)
def test_a_message_says_what_where_and_what_to_do(where, hint, expected):
    assert str(DreamsmkError("what", where=where, hint=hint)) == expected


def test_a_missing_extra_names_the_exact_command():
    assert str(MissingExtra("torch", "train")) == (
        "the package 'torch' is not installed\nhint: pip install 'dreamsmk[train]'"
    )


def test_a_provider_error_keeps_the_status_and_how_long_to_wait():
    error = ProviderError("busy", status=429, retry_after_seconds=1.5)
    assert (error.status, error.retry_after_seconds, str(error)) == (429, 1.5, "busy")


@pytest.mark.parametrize(
    ("word", "valid", "expected"),
    [
        ("temprature", ["temperature", "top_p"], "did you mean 'temperature'?"),
        ("zzz", ["b", "a"], "choose one of: a, b"),
        ("zzz", [], "there is none to choose from"),
        ("zzz", [f"a{n:02}" for n in range(13)], "choose one of: " + ", ".join(f"a{n:02}" for n in range(12)) + ", …"),
    ],
)
def test_the_nearest_name_is_offered(word, valid, expected):
    assert nearest(word, valid) == expected
