"""A rule with free roles takes files of any name."""

from __future__ import annotations

from pathlib import Path

from dreamsmk.smk import load_meta
from dreamsmk.smk.binding import Binding, binding_of
from dreamsmk.smk.free_roles import with_roles_of
from dreamsmk.smk.identify import identify
from tests.unit.smk.workflows import files, workflow_of

RULES = """
use rule step from dream as mine with:
    input: papers="papers.csv", notes=["a.txt", "b.md"], made=lambda wildcards: "made.parquet"
    output: "results/table.parquet", folder=directory("results/folder.v1"), page="results/page.html"
    params: function="steps.py:mine"
"""


def kinds(roles: object) -> dict[str, str]:
    return {name: role.kind for name, role in roles.items()}  # type: ignore[attr-defined]  # a mapping of roles


def test_what_a_role_holds_is_told_by_its_path(project: Path) -> None:
    with workflow_of(RULES, {}) as workflow:
        meta = binding_of(workflow.get_rule("mine")).meta  # type: ignore[union-attr]  # it is one of ours
    assert kinds(meta.outputs) == {"table": "table", "folder": "folder", "page": "file"}
    assert kinds(meta.inputs) == {"papers": "table", "notes": "table", "made": "file"}
    assert all(role.takes_many for role in meta.inputs.values())


def test_rules_of_the_library_with_roles_of_their_own_keep_them() -> None:
    binding = Binding({}, "split")
    assert binding.for_files(files(anything="a.csv"), files("b"), ()) is binding


def test_without_files_the_declared_roles_stand() -> None:
    meta = load_meta("step")
    assert with_roles_of(meta, files(), files(), ()).outputs.keys() == meta.outputs.keys()


def test_the_names_of_files_are_part_of_the_fingerprint(project: Path) -> None:
    (project / "a.csv").write_text("n\n1\n")
    (project / "b.csv").write_text("n\n2\n")
    (project / "steps.py").write_text("def mine(step):\n    pass\n")
    binding = Binding({}, "step")
    params = binding.params({"function": "steps.py:mine"}, where="rule mine")

    def fingerprint(inputs: dict[str, str], outputs: dict[str, str]) -> str:
        bound = binding.for_files(files(**inputs), files(**outputs), ())
        paths = {name: [Path(path)] for name, path in inputs.items()}
        made = identify(bound.meta, params, paths, outputs=outputs, settings=bound.settings, memo=bound.memo)
        return made.fingerprint

    one = fingerprint({"x": "a.csv", "y": "b.csv"}, {"made": "made.parquet"})
    assert one == fingerprint({"y": "b.csv", "x": "a.csv"}, {"made": "elsewhere/made.parquet"})
    others = [
        fingerprint({"x": "b.csv", "y": "a.csv"}, {"made": "made.parquet"}),
        fingerprint({"x": "a.csv", "z": "b.csv"}, {"made": "made.parquet"}),
        fingerprint({"x": "a.csv", "y": "b.csv"}, {"other": "made.parquet"}),
        fingerprint({"x": "a.csv", "y": "b.csv"}, {"made": "made.txt"}),
    ]
    assert len({one, *others}) == 5
