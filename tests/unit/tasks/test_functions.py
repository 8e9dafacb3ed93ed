"""Loading functions of the user's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dreamsmk.errors import SettingsError
from dreamsmk.tasks.functions import load_function

ROOT = Path(__file__).parents[3]


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def called(folder: Path, reference: str, *, before: str = "") -> str:
    """Returns what a function returns in a Python of its own, as every job has one."""
    code = (
        f"import sys\nfrom pathlib import Path\nfrom dreamsmk.tasks.functions import load_function\n{before}\n"
        f"print(load_function({reference!r}, Path())())"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_imports_start_from_the_script_and_from_the_root_also_in_calls(tmp_path: Path) -> None:
    source = "from beside import A\ndef f():\n    from lib.late import B\n    import top\n    return A, B, top.C\n"
    write(tmp_path, scripts__s=source, scripts__beside="A = 1", lib__late="B = 2", top="C = 3")
    assert called(tmp_path, "scripts/s.py:f") == "(1, 2, 3)"


def test_a_script_in_a_package_may_import_relatively(tmp_path: Path) -> None:
    write(tmp_path, pkg__sub__s="from ..a import A\nfrom .b import B\ndef f(): return A, B, __name__\n")
    write(tmp_path, pkg__a="A = 1", pkg__sub__b="B = 2")
    (tmp_path / "pkg/__init__.py").touch()
    (tmp_path / "pkg/sub/__init__.py").touch()
    assert called(tmp_path, "pkg/sub/s.py:f") == "(1, 2, 'pkg.sub.s')"


def test_a_script_may_have_the_name_of_a_module_of_python_and_its_classes_be_found(tmp_path: Path) -> None:
    source = "from __future__ import annotations\nfrom dataclasses import dataclass\nimport pickle\n"
    source += "@dataclass(slots=True)\nclass Row:\n    n: int = 1\ndef f(): return pickle.loads(pickle.dumps(Row()))\n"
    write(tmp_path, json=source)
    assert called(tmp_path, "json.py:f") == "Row(n=1)"


def test_bytecode_of_an_earlier_version_is_not_taken_for_the_current(tmp_path: Path) -> None:
    write(tmp_path, s="from lib.value import V\ndef f(): return V\n", lib__value="V = 1\n")
    writing = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", "import s"], cwd=tmp_path, env=writing, check=True)
    assert list(tmp_path.glob("lib/__pycache__/*.pyc"))
    path = tmp_path / "lib/value.py"
    times = path.stat()
    path.write_text("V = 2\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert called(tmp_path, "s.py:f") == "2"
    assert called(tmp_path, "s.py:f", before="sys.path.insert(0, '')") == "2"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("f = 1", ["is no function"]),
        ("def g(): pass", ["no function 'f'", "choose one of: g"]),
        ("1 / 0", ["ZeroDivisionError", "failing.py, line 1"]),
        ("def f(:", ["SyntaxError"]),
    ],
)
def test_what_cannot_be_loaded_is_said(source: str, said: list[str], tmp_path: Path) -> None:
    write(tmp_path, failing=source)
    with pytest.raises(SettingsError) as caught:
        load_function("failing.py:f", tmp_path)
    for part in said:
        assert part in str(caught.value)
