"""The digest of code is the same on every Python, from one release to the next.

To change the golden digest, raise `FORM` in `dreamsmk/hashing/code.py` and write a line under "Cache compatibility" in
the changelog.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dreamsmk.hashing.code import identify_function
from tests.unit.hashing.code_project import PROJECT, write

PACKAGE = Path(__file__).parents[3] / "dreamsmk"
# What the trees and constants of Python 3.11 to 3.14 have in different shapes.
TRICKY = '''\
VALUES = (True, 1, 1.0, 1j, None, ..., b"1", "1", -0.0, 1e400, 0x1_0000_0000_0000_0000_0000, "\\ud800", "ü\\N{BULLET}")
def f(row, *, a=1, **rest):
    """Doc
      string.
    """
    x: list[int] = [*VALUES]
    text = "a" f"b{x!r:>{a}}" "c" f"{row}{a}" "" f"{x:}{a:%Y-%m}{{}}" rf"\\d{x[0]:{a}.{a}}\\n" f"{x=}" f"" f"plain"
    try:
        return {**rest, "t": text, **{k: v for k, v in VALUES if k if v}}
    except (ValueError, TypeError) as exc:
        raise RuntimeError from exc
    finally:
        pass
async def g(x, /, y: "int" = 2) -> None:
    async with x as (a, b), y: yield await a
    match y:
        case [1, *r] | {"k": r} if r: return
        case {"k": 1, **q} | C(x=1, y=None): print(lambda *a, k=1, **kw: a, sep=u"")
    del x[1:2, ::3], y.z
@g
class C(dict, metaclass=type):
    """Doc."""
    x = f, g
    def m(self): return f(C, g=g)
def entry(row): return C, 1 if row else ~2 @ 3, not row in [1] < 2 <= 3
'''
GOLDEN = {
    "steps": "sha256:ed4fb92b71691fa2e3ec88e3f501f6979ec79d16080a3b30bb11a407b60a58db",
    "tricky": "sha256:ec24d32682bf0c8b8c72a2fe959ad9cd59e177e86e8e4534dcb91a9c805a49fd",
}
SCRIPT = """
import json, pathlib, sys
from dreamsmk.hashing.code import identify_function
base = pathlib.Path(sys.argv[1])
names = {"steps": "scripts/steps.py:entry", "tricky": "tricky.py:entry"}
print(json.dumps({name: identify_function(reference, base=base).digest for name, reference in names.items()}))
"""


def other_pythons() -> list[str]:
    """The other Pythons of this machine that dreamsmk supports."""
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = {path.parents[1].name: str(path) for path in root.glob("3.*/bin/python")}
    for minor in range(11, 16):
        path = shutil.which(f"python3.{minor}")
        if path and "shims" not in path:  # a shim of pyenv may lead nowhere
            found.setdefault(path, path)
    return [path for name, path in sorted(found.items()) if name.startswith(("3.11", "3.12", "3.13", "3.14", "/"))]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    write(folder, {**PROJECT, "tricky.py": TRICKY})
    return folder


def test_the_digest_is_what_it_always_was(project: Path) -> None:
    assert {
        "steps": identify_function("scripts/steps.py:entry", base=project).digest,
        "tricky": identify_function("tricky.py:entry", base=project).digest,
    } == GOLDEN


@pytest.mark.parametrize("python", other_pythons())
def test_the_digest_is_the_same_on_another_python(python: str, project: Path, tmp_path: Path) -> None:
    # The modules need the standard library alone; the package around them does not.
    (tmp_path / "dreamsmk/hashing").mkdir(parents=True)
    for empty in ("dreamsmk/__init__.py", "dreamsmk/hashing/__init__.py"):
        (tmp_path / empty).touch()
    shutil.copy(PACKAGE / "errors.py", tmp_path / "dreamsmk")
    for path in [*(PACKAGE / "hashing").glob("code*.py"), PACKAGE / "hashing/signatures.py"]:
        shutil.copy(path, tmp_path / "dreamsmk/hashing")
    done = subprocess.run(
        [python, "-c", SCRIPT, str(project)], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == GOLDEN


def test_the_modules_need_the_standard_library_alone() -> None:
    for path in (PACKAGE / "hashing").glob("code*.py"):
        for line in path.read_text().splitlines():
            if line.startswith(("import ", "from ")):
                module = line.split()[1]
                assert module.startswith("dreamsmk.") or module.split(".")[0] in sys.stdlib_module_names, line
