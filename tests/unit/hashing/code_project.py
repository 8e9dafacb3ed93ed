"""A small project of user code, and what edits of it are expected to do."""

from __future__ import annotations

from pathlib import Path

STEPS = '''\
"""Steps of a workflow."""
from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from lib import clean, registry
from lib.shapes import Cleaner
import lib.words as words
try:
    import orjson as fast_json
except ImportError:
    fast_json = None

if TYPE_CHECKING:
    from lib.never import Typed

LIMIT = 3
FLAG = True
PATTERN = re.compile(r"\\d+")
TABLE = {"a": 1}
UNUSED = 10
KINDS = "short", "long"


def twice(function):
    def inner(*args):
        return function(function(*args))
    return inner


def make(factor):
    def scaled(x):
        return x * factor
    return scaled


scale = make(2)


@twice
def shout(text: str) -> str:
    """Shouts."""
    return text.upper()  # loud


class Base:
    suffix = "!"

    def end(self):
        return self.suffix


class Loud(Base):
    def run(self, text):
        return shout(text) + self.end()


def unused():
    return UNUSED + LIMIT


def entry(row, limit=LIMIT, *, cleaner=Cleaner):
    """Makes a row.

    With care.
    """
    from lib.late import finish
    import lib.later

    unused = [word for word in words.split(row["text"]) if word not in words.STOP]
    text = f"{clean(row['text'])}: {limit:>3} {FLAG}"
    if PATTERN.search(text) and fast_json:
        text = Loud().run(text)
    number = registry.TASKS["double"](scale(np.log(2)))
    made = {"text": text, "n": number, "w": unused, "k": KINDS[0], "l": lib.later.VALUE}
    return finish({**made, "c": cleaner().go(text)})


TABLE["b"] = 2
if __name__ == "__main__":
    print(entry({"text": "x"}))
'''

PROJECT = {
    "scripts/steps.py": STEPS,
    "lib/__init__.py": "from .text import *\nfrom . import registry, tasks\n",
    "lib/text.py": '''\
"""Text."""
EXTRA = " "
def clean(text, mode=None):
    return _strip(text) if mode is None else text
def _strip(text):
    return text.strip(EXTRA)
def other(text):
    return text
''',
    "lib/registry.py": "TASKS = {}\ndef task(f):\n    TASKS[f.__name__] = f\n    return f\n",
    "lib/tasks.py": """\
from .registry import task

@task
def double(x):
    return 2 * x

def triple(x):
    return 3 * x
""",
    "lib/shapes.py": """\
from .base import Shape

class Cleaner(Shape):
    def go(self, text):
        return self.head + text
""",
    "lib/base.py": 'class Shape:\n    head = ">"\n\nclass Other:\n    head = "<"\n',
    "lib/words.py": """\
STOP = {"the", "a"}
def split(text):
    return text.split()
def join(x):
    return "".join(x)
""",
    "lib/late.py": "def finish(row):\n    return row\ndef start(row):\n    return row\n",
    "lib/later.py": "VALUE = 1\nOTHER = 1\n",
    "lib/never.py": "class Typed: pass\n",
}


def write(folder: Path, files: dict[str, str]) -> None:
    """Writes files below a folder."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def edited(name: str, old: str, new: str, files: dict[str, str] | None = None) -> dict[str, str]:
    """Returns the files with one place edited."""
    files = files or PROJECT
    assert old in files[name], f"{old!r} does not stand in {name}"
    return {**files, name: files[name].replace(old, new, 1)}
