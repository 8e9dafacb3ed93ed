"""Each rule of the library is whole: its meta, its task, its `rule.smk` and an example that agrees with all of them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from snakemake.iocontainers import Wildcards

import dreamsmk
from dreamsmk.errors import SettingsError
from dreamsmk.smk import load_meta, rule_names, rules_folder
from dreamsmk.smk.binding import OWN_PARAMS, binding_of, raw_params
from dreamsmk.smk.meta import Role, RuleMeta, load_group, with_groups
from dreamsmk.tables import column_names
from tests.unit.smk.workflows import read_workflow, workflow_of

NAMES = rule_names()
KINDS = {"table", "file", "folder", "schema"}
each_rule = pytest.mark.parametrize("name", NAMES)


@pytest.fixture
def library(project: Path) -> Iterator[Any]:
    """A workflow with every rule of the library."""
    with workflow_of("use rule * from dream\n", {}) as workflow:
        yield workflow


@pytest.fixture
def example(name: str, tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The workflow of a rule's example, in a copy of its folder."""
    folder = tmp_path / "example"
    hidden = shutil.ignore_patterns(".*", "results", "logs", "benchmarks", "resources")
    shutil.copytree(rules_folder() / name / "example", folder, ignore=hidden)
    monkeypatch.chdir(folder)
    with read_workflow(folder / "Snakefile") as workflow:
        yield workflow


def test_the_rules_are_found() -> None:
    assert {"card", "data_from_prompt", "fine_tune", "process_with_prompt", "split"} <= set(NAMES)
    assert Path(dreamsmk.rules()) == rules_folder() / "all.smk"


def test_an_unknown_rule_is_an_error_with_the_nearest_name() -> None:
    with pytest.raises(SettingsError, match="no rule 'splt'") as caught:
        load_meta("splt")
    assert caught.value.hint == "did you mean 'split'?"


@each_rule
def test_the_meta_has_nothing_but_what_it_may_have(name: str) -> None:
    written = yaml.safe_load((rules_folder() / name / "meta.yaml").read_text())
    assert set(written) >= {"title", "description", "version", "task", "outputs", "params"}
    assert set(written) <= set(RuleMeta.__dataclass_fields__) - {"name"}
    meta = load_meta(name)
    assert meta.title
    assert not meta.title.endswith(".")
    assert meta.outputs
    for role in (*meta.inputs.values(), *meta.outputs.values()):
        assert role.kind in KINDS
        assert role.description


@each_rule
def test_the_schema_of_the_params_is_json_schema_and_describes_every_param(name: str) -> None:
    params = load_meta(name).params
    jsonschema.Draft202012Validator.check_schema(params)
    assert params["additionalProperties"] is False
    assert set(params.get("required", [])) <= set(params["properties"])
    for param, schema in params["properties"].items():
        assert schema.get("description"), param
        assert param in params.get("required", []) or "default" in schema, (
            f"{param} is neither required nor has it a default"
        )
        if "default" in schema:
            jsonschema.validate(schema["default"], schema)
        if "x-column" in schema:
            assert schema["x-column"] in load_meta(name).inputs


@each_rule
def test_the_task_is_there_and_takes_the_context_alone(name: str) -> None:
    task = load_meta(name).load_task()
    assert task.__code__.co_argcount == 1
    assert task.__doc__


@each_rule
def test_the_rule_is_what_the_meta_says(name: str, library: Any) -> None:
    meta, rule = load_meta(name), library.get_rule(name)
    text = (rules_folder() / name / "rule.smk").read_text()
    assert re.findall(r"^rule (\w+):$", text, re.MULTILINE) == [name]
    assert rule.docstring
    _agree(rule.input, meta.inputs)
    _agree(rule.output, meta.outputs)
    for role, path in rule.output._allitems():
        assert path.is_directory == (meta.outputs[role].kind == "folder")
    assert {param for param, _ in rule.params._allitems()} == OWN_PARAMS
    assert binding_of(rule).meta.task is meta.task  # type: ignore[union-attr]  # it is one of ours


@each_rule
def test_the_rule_asks_for_the_resources_of_the_meta(name: str, library: Any) -> None:
    meta, rule = load_meta(name), library.get_rule(name)
    for resource, amount in meta.resources.items():
        assert _amount(rule.resources[resource]) == (None if isinstance(amount, str) else amount), resource
    for resource in ("gpu", "api"):
        assert (resource in rule.resources) == (resource in meta.resources)
    assert _amount(rule.resources["_cores"]) == (None if meta.threads == "local" else meta.threads)


@each_rule
def test_the_example_shows_the_rule_and_its_params_and_columns_are_right(name: str, example: Any) -> None:
    shown = []
    for rule in example.rules:
        binding = binding_of(rule)
        if binding is None:
            continue
        shown.append(binding.meta.name)
        params = binding.params(raw_params(rule, Wildcards(), {}), where=rule.name)
        columns = binding.meta.load_columns()
        makes_tables = {role for role, declared in binding.meta.outputs.items() if declared.kind == "table"}
        assert columns is not None or not makes_tables, "the columns of its tables cannot be worked out"
        if columns is not None:
            _check_columns(binding.meta, params, rule)
    assert name in shown


@each_rule
def test_a_version_is_a_text(name: str) -> None:
    assert isinstance(yaml.safe_load((rules_folder() / name / "meta.yaml").read_text())["version"], str)


def test_the_parameters_of_an_included_group_stand_after_the_rules_own() -> None:
    meta = load_meta("process_with_prompt")
    names = list(meta.params["properties"])
    assert names.index("separator") < names.index("temperature") < names.index("schema") < names.index("cache")
    for group in meta.include:
        for name, schema in load_group(group).items():
            assert meta.params["properties"][name] == schema
    written = yaml.safe_load((rules_folder() / "process_with_prompt/meta.yaml").read_text())
    assert "temperature" not in written["params"]["properties"], "it is written once, in its group"


def test_every_group_is_included_by_a_rule() -> None:
    groups = {path.stem for path in rules_folder().glob("_params/*.yaml")}
    assert groups == {group for name in NAMES for group in load_meta(name).include}


def test_a_parameter_that_two_groups_have_is_an_error() -> None:
    with pytest.raises(SettingsError, match="'seed' is there twice") as caught:
        with_groups({"properties": {"seed": {}}}, ["calls", "sampling"], where="rules/x/meta.yaml")
    assert caught.value.where == "rules/x/meta.yaml, include: sampling"


def test_an_unknown_group_is_an_error_with_the_nearest() -> None:
    with pytest.raises(SettingsError, match="no group of parameters 'smapling'") as caught:
        load_group("smapling")
    assert caught.value.hint == "did you mean 'sampling'?"


def _amount(resource: Any) -> Any:
    """Returns how much of a resource a rule wants; None where a function decides."""
    return None if resource.is_evaluable() else resource.value


def _agree(files: Any, roles: Mapping[str, Role]) -> None:
    """Asserts that files are named after roles, and that no required one is missing."""
    names = [name for name, _ in files._allitems()]
    assert set(names) <= set(roles)
    assert {role for role, declared in roles.items() if declared.is_required} <= set(names)


def _check_columns(meta: RuleMeta, params: dict[str, Any], rule: Any) -> None:
    work_out = meta.load_columns()
    assert work_out is not None
    for known in ({}, dict.fromkeys(meta.inputs), _columns_of(meta, rule)):
        made = work_out(params, known)
        assert set(made) <= set(meta.outputs)
        for role, columns in made.items():
            assert columns is None or meta.outputs[role].kind == "table"
            assert columns is None or len(set(columns)) == len(columns)


def _columns_of(meta: RuleMeta, rule: Any) -> dict[str, list[str] | None]:
    """Returns the columns of those inputs of a rule that are there."""
    return {
        role: column_names(Path(path))
        for role, path in zip(meta.inputs, rule.input, strict=False)
        if Path(path).is_file()
    }
