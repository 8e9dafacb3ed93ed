"""What the identity of user code sees, and what it is blind to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dreamsmk.errors import SettingsError
from dreamsmk.hashing.code import CodeIdentity, identify_function
from tests.unit.hashing.code_project import PROJECT, edited, write

ENTRY = "scripts/steps.py:entry"
STEPS = "scripts/steps.py"


def identity(folder: Path, files: dict[str, str], reference: str = ENTRY) -> CodeIdentity:
    write(folder, files)
    return identify_function(reference, base=folder)


def digest_of(folder: Path, source: str, **others: str) -> str:
    return identity(folder, {"s.py": source, **{f"{name}.py": text for name, text in others.items()}}, "s.py:f").digest


SEEN = {
    "its own body": (STEPS, 'row["text"]) if word', 'row["title"]) if word'),
    "a constant": (STEPS, "LIMIT = 3", "LIMIT = 4"),
    "True for 1": (STEPS, "FLAG = True", "FLAG = 1"),
    "3.0 for 3": (STEPS, "LIMIT = 3", "LIMIT = 3.0"),
    "a text for a number": (STEPS, "LIMIT = 3", 'LIMIT = "3"'),
    "a compiled pattern": (STEPS, r'r"\d+"', r'r"\w+"'),
    "a part of a tuple assignment": (STEPS, '"short", "long"', '"brief", "long"'),
    "a default argument": (STEPS, "limit=LIMIT", "limit=5"),
    "a keyword for an argument": (STEPS, "limit=LIMIT, *,", "limit=LIMIT,"),
    "a decorator": (STEPS, "@twice\n", ""),
    "a decorator's body": (STEPS, "function(function(*args))", "function(*args)"),
    "a closure": (STEPS, "make(2)", "make(3)"),
    "the maker of a closure": (STEPS, "x * factor", "x + factor"),
    "an annotation": (STEPS, "text: str", "text: bytes"),
    "a base class in the same file": (STEPS, 'suffix = "!"', 'suffix = "?"'),
    "a method": (STEPS, "shout(text) + self.end()", "shout(text)"),
    "the bases of a class": (STEPS, "class Loud(Base)", "class Loud(Base, object)"),
    "the format of an f-string": (STEPS, "{limit:>3}", "{limit:>4}"),
    "a text in an f-string": (STEPS, "}: {", "}; {"),
    "an import from elsewhere": (STEPS, "import numpy as np", "import cmath as np"),
    "a fallback of an import": (STEPS, "fast_json = None", "fast_json = False"),
    "a helper through a star import": ("lib/text.py", "if mode is None", "if mode is not None"),
    "a helper of a helper": ("lib/text.py", "text.strip(EXTRA)", "text.lstrip(EXTRA)"),
    "a constant of a helper": ("lib/text.py", '" "', '"_"'),
    "a default of a helper": ("lib/text.py", "mode=None", "mode=0"),
    "an attribute of a module": ("lib/words.py", "text.split()", "text.split(' ')"),
    "a set in a module": ("lib/words.py", '"the", ', ""),
    "a class in another module": ("lib/shapes.py", "self.head + text", "text + self.head"),
    "its base in a third": ("lib/base.py", '">"', '"|"'),
    "an import in a function": ("lib/late.py", "return row\ndef start", "return [row]\ndef start"),
    "a dotted import in a function": ("lib/later.py", "VALUE = 1", "VALUE = 2"),
    "what registers itself by a decorator": ("lib/tasks.py", "2 * x", "x + x"),
    "the registry": ("lib/registry.py", "f.__name__", "f.__qualname__"),
    "a future statement": (STEPS, "from __future__ import annotations", ""),
}


@pytest.mark.parametrize("what", SEEN)
def test_it_sees(what: str, tmp_path: Path) -> None:
    before = identity(tmp_path, PROJECT)
    after = identity(tmp_path, edited(*SEEN[what]))
    assert after.digest != before.digest
    assert identity(tmp_path, PROJECT) == before, "back again, it is what it was"


BLIND = {
    "a comment": (STEPS, "# loud", "# very loud"),
    "a module's docstring": (STEPS, "Steps of a workflow.", "Steps."),
    "a docstring": (STEPS, "With care.", "Without."),
    "a docstring that goes": (STEPS, '    """Shouts."""\n', ""),
    "a helper's docstring": ("lib/text.py", '"""Text."""\n', ""),
    "line breaks": (STEPS, "LIMIT = 3\n", "LIMIT = (\n    3  # three\n)\n\n\n"),
    "quotes": (STEPS, '"short", "long"', "('short', 'long')"),
    "how a number is written": (STEPS, "LIMIT = 3", "LIMIT = 0x3"),
    "pass beside a statement": (STEPS, "return self.suffix", "pass; return self.suffix"),
    "a constant that it does not use": (STEPS, "UNUSED = 10", "UNUSED = 11"),
    "a function that it does not use": (STEPS, "UNUSED + LIMIT", "UNUSED - LIMIT"),
    "a table that it does not use": (STEPS, 'TABLE["b"] = 2', 'TABLE["b"] = 3'),
    "what runs as a script": (STEPS, 'print(entry({"text": "x"}))', "pass"),
    "what type checkers see": ("lib/never.py", "pass", "a = 1"),
    "an import of types": (STEPS, "from lib.never import Typed", "from lib.ever import Typed"),
    "a neighbour of a helper": ("lib/text.py", "def other(text):", "def other(text, x):"),
    "a neighbour in a module": ("lib/words.py", '"".join', '" ".join'),
    "a neighbour of a base": ("lib/base.py", '"<"', '"("'),
    "a neighbour of a constant": ("lib/later.py", "OTHER = 1", "OTHER = 2"),
    "a neighbour of what registers": ("lib/tasks.py", "3 * x", "x"),
    "the order of definitions": ("lib/later.py", "VALUE = 1\nOTHER = 1\n", "OTHER = 1\nVALUE = 1\n"),
    "an import nobody uses": ("lib/later.py", "VALUE = 1", "import os\nVALUE = 1"),
}


@pytest.mark.parametrize("what", BLIND)
def test_it_is_blind_to(what: str, tmp_path: Path) -> None:
    before = identity(tmp_path, PROJECT)
    after = identity(tmp_path, edited(*BLIND[what]))
    assert after.digest == before.digest
    assert after.parts == before.parts


def test_the_project_may_lie_anywhere_and_its_folders_be_renamed(tmp_path: Path) -> None:
    before = identity(tmp_path / "a", PROJECT)
    assert identity(tmp_path / "b c/ü", PROJECT) == before
    moved = {name.replace("scripts/", "code/deep/"): text for name, text in PROJECT.items()}
    assert identity(tmp_path / "c", moved, "code/deep/steps.py:entry").digest == before.digest


def test_its_parts_and_sources_say_what_takes_part(tmp_path: Path) -> None:
    found = identity(tmp_path, PROJECT)
    assert found.notes == ()
    assert found.parts.keys() == found.sources.keys()
    assert {"scripts/steps.py:entry", "lib/text.py:EXTRA", "lib/tasks.py:double", "lib/base.py:Shape"} <= set(
        found.parts
    )
    assert not {"scripts/steps.py:unused", "lib/tasks.py:triple", "lib/base.py:Other"} & set(found.parts)
    assert found.sources["scripts/steps.py:shout"].startswith('@twice\ndef shout(text: str) -> str:\n    """Shouts."""')
    changed = identity(tmp_path, edited("lib/base.py", '">"', '"|"'))
    assert [name for name in found.parts if found.parts[name] != changed.parts[name]] == ["lib/base.py:Shape"]


def test_two_helpers_that_swap_their_code_are_seen(tmp_path: Path) -> None:
    source = "import a, b\ndef f(x):\n    return a.VALUE - b.VALUE\n"
    assert digest_of(tmp_path, source, a="VALUE = 1", b="VALUE = 2") != digest_of(
        tmp_path, source, a="VALUE = 2", b="VALUE = 1"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("X = [1]\nX.append(2)\n", "X = [1]\nX.append(3)\n"),
        ("X = [1]\nX += [2]\n", "X = [1]\nX += [3]\n"),
        ("X = {}\nX['a'] = 1\nX['a'] = 2\n", "X = {}\nX['a'] = 2\nX['a'] = 1\n"),
        ("X = {}\nfor k in (1, 2):\n    X[k] = k\n", "X = {}\nfor k in (1, 3):\n    X[k] = k\n"),
        ("X = []\ndef fill(n):\n    X.append(n)\nfill(1)\n", "X = []\ndef fill(n):\n    X.append(n)\nfill(2)\n"),
        (
            "X = 0\ndef set(n):\n    global X\n    X = n\nset(1)\n",
            "X = 0\ndef set(n):\n    global X\n    X = n\nset(2)\n",
        ),
        ("def set(n):\n    global X\n    X = n\nset(1)\n", "def set(n):\n    global X\n    X = n\nset(2)\n"),
        ("X = {}\nadd = X.setdefault\nadd('a', 1)\n", "X = {}\nadd = X.setdefault\nadd('a', 2)\n"),
        ("X = {}\nY = X\nY['a'] = 1\n", "X = {}\nY = X\nY['a'] = 2\n"),
        ("class X: pass\nX.a = 1\n", "class X: pass\nX.a = 2\n"),
        ("class X: pass\nsetattr(X, 'a', 1)\n", "class X: pass\nsetattr(X, 'a', 2)\n"),
        ("X = 1\nX = X + 1\n", "X = 1\nX = X + 2\n"),
        ("if (X := 1): pass\n", "if (X := 2): pass\n"),
        ("with open('x') as X: pass\n", "with open('y') as X: pass\n"),
        ("X, (*Y, Z) = 1, (2, 3)\n", "X, (*Y, Z) = 1, (2, 4)\n"),
        ("import random as X\nX.seed(1)\n", "import random as X\nX.seed(2)\n"),
        ("X: int = 1\n", "X: int = 2\n"),
        ("X = lambda a=1: a\n", "X = lambda a=2: a\n"),
        ("match 1:\n    case X: pass\n", "match 2:\n    case X: pass\n"),
    ],
)
def test_every_way_to_give_a_name_its_value_is_seen(before: str, after: str, tmp_path: Path) -> None:
    function = "def f(row):\n    return X\n"
    assert digest_of(tmp_path, before + function) != digest_of(tmp_path, after + function)


@pytest.mark.parametrize(
    "body",
    [
        "def f(X):\n    return X",
        "def f(row):\n    X = row\n    return X",
        "def f(row):\n    for X in row: pass\n    return X",
        "def f(row):\n    return [X for X in row]",
        "def f(row):\n    return lambda X: X",
        "def f(row):\n    try: pass\n    except Exception as X: return X",
        "def f(row):\n    with row as X: return X",
        "def f(row):\n    X = 1\n    def g():\n        nonlocal X\n        X += 1\n        return X\n    return g()",
        "def f(row):\n    if (X := row): return X",
        "def f(row):\n    match row:\n        case {'a': 1, **X}: return X",
    ],
)
def test_a_local_name_is_not_that_of_the_module(body: str, tmp_path: Path) -> None:
    assert digest_of(tmp_path, f"X = 1\n{body}\n") == digest_of(tmp_path, f"X = 2\n{body}\n")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("def f(row):\n    return globals()[row]", "globals() in s.py"),
        ("def f(row):\n    return eval(row)", "eval() in s.py"),
        ("def f(row):\n    return getattr(row, row.name)", "getattr with a computed name in s.py"),
        ("import importlib\ndef f(row):\n    return importlib.import_module(row)", "an import of a module"),
        ("import sys\ndef f(row):\n    return getattr(sys.modules[__name__], 'x')", "sys.modules in s.py"),
    ],
)
def test_what_cannot_be_followed_takes_in_the_whole_module_and_says_so(
    source: str, reason: str, tmp_path: Path
) -> None:
    found = identity(tmp_path, {"s.py": f"{source}\nX = 1\n"}, "s.py:f")
    (note,) = found.notes
    assert reason in note
    assert "s.py:X" in found.parts
    assert digest_of(tmp_path, f"{source}\nX = 2\n") != found.digest
    assert digest_of(tmp_path, f"{source}\nX = 1  # one\n") == found.digest


@pytest.mark.parametrize(
    "use",
    ["getattr(m, row)", "vars(m)", "m.__dict__", "run(m)", "m.missing", "__import__('m')", "getattr(m, 'missing')"],
)
def test_a_module_that_is_used_as_a_value_counts_whole(use: str, tmp_path: Path) -> None:
    source = f"import m\ndef f(row):\n    return {use}\n"
    before = identity(tmp_path, {"s.py": source, "m.py": "X = 1"}, "s.py:f")
    assert len(before.notes) == 1
    assert "m.py" in before.notes[0] or "s.py" in before.notes[0]
    assert digest_of(tmp_path, source, m="X = 2") != before.digest


def test_an_attribute_by_its_constant_name_is_followed(tmp_path: Path) -> None:
    source = "import m\ndef f(row):\n    return getattr(m, 'X')\n"
    before = identity(tmp_path, {"s.py": source, "m.py": "X = 1\nY = 1"}, "s.py:f")
    assert before.notes == ()
    assert digest_of(tmp_path, source, m="X = 1\nY = 2") == before.digest
    assert digest_of(tmp_path, source, m="X = 2\nY = 1") != before.digest


def test_a_name_that_a_module_makes_up_takes_in_the_whole_module(tmp_path: Path) -> None:
    source = "NAMES = {'a': 1}\nglobals().update(NAMES)\ndef f(row):\n    return a\n"
    assert digest_of(tmp_path, source) != digest_of(tmp_path, source.replace("1", "2"))


def test_a_star_import_from_a_module_that_is_nowhere_is_said(tmp_path: Path) -> None:
    source = "from nowhere_at_all import *\ndef f(row):\n    return clean(row)\n"
    (note,) = identity(tmp_path, {"s.py": source}, "s.py:f").notes
    assert "nowhere_at_all" in note
    assert digest_of(tmp_path, source) != digest_of(tmp_path, source.replace("nowhere_at_all", "math"))


def test_docstrings_count_where_the_code_reads_them(tmp_path: Path) -> None:
    source = 'def g():\n    """A."""\ndef f(row):\n    return g.__doc__\n'
    assert digest_of(tmp_path, source) != digest_of(tmp_path, source.replace("A.", "B."))


def test_modules_that_import_each_other_end(tmp_path: Path) -> None:
    a = "import b\nfrom b import x\ndef f(row):\n    return b.g(x) if row else y\n"
    b = "import s\nfrom s import y\nx = 1\ndef g(row):\n    return s.f(row)\n"
    assert digest_of(tmp_path, a, b=b) != digest_of(tmp_path, a, b=b.replace("x = 1", "x = 2"))


def test_imports_start_from_the_script_and_from_the_root_and_relative_ones_from_the_package(tmp_path: Path) -> None:
    files = {
        "pkg/sub/s.py": "from ..a import A\nfrom . import b\nimport beside, top\n"
        "def f(r):\n    return A, b.B, beside.C, top.D\n",
        **{"pkg/__init__.py": "", "pkg/sub/__init__.py": "", "pkg/a.py": "A = 1", "pkg/sub/b.py": "B = 1"},
        **{"pkg/sub/beside.py": "C = 1", "top.py": "D = 1"},
    }
    before = identity(tmp_path, files, "pkg/sub/s.py:f")
    assert before.notes == ()
    for name in ("pkg/a.py", "pkg/sub/b.py", "pkg/sub/beside.py", "top.py"):
        assert identity(tmp_path, edited(name, "= 1", "= 2", files), "pkg/sub/s.py:f").digest != before.digest


def test_a_folder_of_files_does_not_hide_an_installed_package_of_its_name(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    found = identity(tmp_path, {"s.py": "import datasets\ndef f(r):\n    return datasets.load(r)\n"}, "s.py:f")
    assert set(found.parts) == {"s.py:f"}
    assert found.notes == ()


def test_a_module_that_appears_later_is_seen(tmp_path: Path) -> None:
    source = "try:\n    from extra import g\nexcept ImportError:\n    g = str\ndef f(r):\n    return g(r)\n"
    before = identity(tmp_path, {"s.py": source}, "s.py:f")
    assert before.notes == (), "the code goes on without it"
    assert digest_of(tmp_path, source, extra="def g(r): return r\n") != before.digest


@pytest.mark.parametrize("reference", ["s.py:f", "s.py:C", "s.py:g", "s.py:h"])
def test_a_function_may_be_any_name_of_the_file(reference: str, tmp_path: Path) -> None:
    source = (
        "from functools import partial\nfrom m import h\ndef f(r, n): return r\nclass C: pass\ng = partial(f, n=1)\n"
    )
    found = identity(tmp_path, {"s.py": source, "m.py": "def h(r): return r\n"}, reference)
    assert found.parts


def test_a_very_long_expression_is_no_trouble(tmp_path: Path) -> None:
    source = "def f(r):\n    return " + " + ".join(["r"] * 2000) + "\n"
    assert digest_of(tmp_path, source) != digest_of(tmp_path, source + "\nf.x = 1\n")


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("scripts/steps.py:entri", ["'entri'", "did you mean 'entry'?"]),
        ("scripts/step.py:entry", ["'scripts/step.py'", "did you mean 'scripts/steps.py'?"]),
        ("nowhere/step.py:entry", ["'nowhere/step.py'", "none to choose from"]),
        ("scripts/steps.py", ["scripts/steps.py:name"]),
        ("scripts/steps:entry", ["scripts/steps.py:name"]),
        ("scripts/steps.py:a.b", ["scripts/steps.py:name"]),
        ("bad.py:f", ["not valid Python", "bad.py, line 2"]),
        ("bytes.py:f", ["cannot be read", "bytes.py"]),
    ],
)
def test_a_wrong_reference_is_an_error_that_names_the_nearest(reference: str, said: list[str], tmp_path: Path) -> None:
    write(tmp_path, {**PROJECT, "bad.py": "x = 1\ndef f(:\n"})
    (tmp_path / "bytes.py").write_bytes(b"x = '\xff'\n")
    with pytest.raises(SettingsError) as caught:
        identify_function(reference, base=tmp_path)
    for part in said:
        assert part in str(caught.value)


def test_a_file_that_goes_is_an_error_and_one_that_comes_back_is_not(tmp_path: Path) -> None:
    before = identity(tmp_path, PROJECT)
    shutil.rmtree(tmp_path / "scripts")
    with pytest.raises(SettingsError):
        identify_function(ENTRY, base=tmp_path)
    assert identity(tmp_path, PROJECT) == before


ELSEWHERE = {
    "a module is changed from outside": (
        {"s": "import t as q\nq.EXTRA = 5\ndef f(r): return q.g(r)\n", "t": "EXTRA = 1\ndef g(r): return EXTRA"},
        ("s", "5", "6"),
    ),
    "a table of a module is changed from outside": (
        {"s": "import t\nt.TABLE.update(a=1)\ndef f(r): return t.TABLE\n", "t": "TABLE = {}"},
        ("s", "a=1", "a=2"),
    ),
    "a package changes its module": (
        {"s": "from p.config import V\ndef f(r): return V\n", "p/__init__": "from . import config\nconfig.V = 2\n"}
        | {"p/config": "V = 1"},
        ("p/__init__", "2", "3"),
    ),
    "a subclass registers itself": (
        {
            "s": "import base, plug\ndef f(r): return base.R[0].x\n",
            "plug": "from base import B\nclass A(B):\n    x = 1\n",
        }
        | {"base": "R = []\nclass B:\n    def __init_subclass__(c): R.append(c)\n"},
        ("plug", "x = 1", "x = 2"),
    ),
    "a plugin that is imported in the function": (
        {"s": "import base\ndef f(r):\n    import plug\n    return base.R[0]()\n"}
        | {"base": "R = []\ndef reg(g):\n    R.append(g)\n    return g\n"}
        | {"plug": "from base import reg\n@reg\ndef a(): return 1\n"},
        ("plug", "return 1", "return 2"),
    ),
    "the fallback of an import": (
        {"s": "try:\n    from a import g\nexcept ImportError:\n    from b import g\ndef f(r): return g(r)\n"}
        | {"a": "def g(r): return 1", "b": "def g(r): return 1"},
        ("b", "1", "2"),
    ),
    "the class of an instance": (
        {"s": "from t import c\ndef f(r): return c.go()\n", "t": "from u import C\nc = C()\n"}
        | {"u": "class C:\n    def go(self): return 1\n"},
        ("u", "1", "2"),
    ),
    "an import in a class body": (
        {
            "s": "class C:\n    from t import V\n    def m(self): return self.V\ndef f(r): return C().m()\n",
            "t": "V = 1",
        },
        ("t", "1", "2"),
    ),
    "star upon star": (
        {"s": "from p import *\ndef f(r): return g(r)\n", "p/__init__": "from .x import *", "p/x": "from .y import *"}
        | {"p/y": "def g(r): return 1"},
        ("p/y", "1", "2"),
    ),
    "a name for `from . import`": (
        {"s": "import p\ndef f(r): return p.text.V\n", "p/__init__": "from . import text", "p/text": "V = 1"},
        ("p/text", "1", "2"),
    ),
    "a package without __init__": (
        {"s": "import a.b.c\ndef f(r): return a.b.c.V\n", "a/b/c": "V = 1"},
        ("a/b/c", "1", "2"),
    ),
    "a name that a module makes when it is asked": (
        {"s": "from t import zed\ndef f(r): return zed\n", "t": "def __getattr__(name): return 1\n"},
        ("t", "1", "2"),
    ),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_what_decides_elsewhere_is_seen(what: str, tmp_path: Path) -> None:
    modules, edit = ELSEWHERE[what]
    files = {f"{name}.py": text for name, text in modules.items()}
    before = identity(tmp_path, files, "s.py:f")
    after = identity(tmp_path, edited(f"{edit[0]}.py", *edit[1:], files), "s.py:f")
    assert after.digest != before.digest
