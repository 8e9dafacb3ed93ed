"""What `import dreamsmk` costs, and that every public name is there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = {
    *("torch", "transformers", "trl", "peft", "datasets", "accelerate"),
    *("polars", "pyarrow", "pandas", "openai", "anthropic", "jsonschema"),
}
PACKAGES = sorted(".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "dreamsmk").rglob("__init__.py"))


def run(code: str) -> str:
    """Runs code in a new Python, so that nothing is loaded before it."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_dreamsmk_loads_no_heavy_library():
    assert run(f"import sys, dreamsmk; print(sorted(set(sys.modules) & {HEAVY!r}))") == "[]"


def test_importing_dreamsmk_writes_nothing():
    assert run("import dreamsmk") == ""


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_of_a_package_can_be_imported(package):
    code = (
        f"import importlib; p = importlib.import_module({package!r}); names = getattr(p, '__all__', [])\n"
        "print([n for n in names if not hasattr(p, n)], len(names) - len(set(names)))"
    )
    assert run(code) == "[] 0"
