"""What a fingerprint covers, and what it does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars
import pytest

from dreamsmk.errors import SettingsError
from dreamsmk.hashing import DigestMemo
from dreamsmk.settings import ModelSpec, Settings, spec_fields, validate_params
from dreamsmk.smk.identify import NOT_YET, Identified, identify
from dreamsmk.smk.meta import load_meta

Identify = Callable[..., Identified]

PARAMS = {
    "process_with_prompt": {"model": "teacher", "inputs": "text", "instruction": "Summarize."},
    "generate_sample": {"models": {"before": "base", "after": "tuned"}, "inputs": "text"},
    "fine_tune": {"model": "teacher", "inputs": "question", "outputs": "answer"},
}
# By the start of the annotation: a value that no field of that type has by default.
OTHER: Mapping[str, Any] = {
    "str": "other",
    "float": 0.75,
    "int": 7,
    "tuple": ("END",),
    "Mapping": {"reasoning": "high"},
}
SPECIAL = {"provider": "openai", "dtype": "float32", "base_url": "http://127.0.0.1:9/v1", "chat_template": "{{ m }}"}


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """A table of two texts."""
    path = tmp_path / "table.csv"
    path.write_text("text\na\nb\n")
    return path


@pytest.fixture
def fingerprint(memo: DigestMemo, table: Path) -> Identify:
    """Identifies a job of a rule."""

    def of(
        rule: str = "process_with_prompt", *, models: Mapping[str, ModelSpec] | None = None, **given: Any
    ) -> Identified:
        meta = load_meta(rule)
        raw = PARAMS.get(rule, {}) | given.pop("params", {})
        return identify(
            meta,
            validate_params(meta.params, raw, where=rule),
            given.pop("inputs", {"table": [table]}),
            outputs=given.pop("outputs", set(meta.outputs)),
            settings=Settings(models=models or {"teacher": spec()}),
            memo=memo,
            **given,
        )

    return of


def spec(**values: Any) -> ModelSpec:
    return ModelSpec(**{"provider": "echo", "model": "echo", **values})


def changed(field: dataclasses.Field[Any]) -> ModelSpec:
    """Returns the spec with one field changed."""
    kind = next(kind for kind in OTHER if str(field.type).startswith(kind))
    return spec(**{field.name: SPECIAL.get(field.name, OTHER[kind])})


def names(*groups: Any) -> list[Any]:
    return [pytest.param(field, id=field.name) for group in groups for field in spec_fields(group)]


@pytest.mark.parametrize("field", names("identity", "sampling"))
def test_every_field_that_decides_replies_decides_the_fingerprint(
    fingerprint: Identify, field: dataclasses.Field[Any]
) -> None:
    assert changed(field) != spec()
    assert fingerprint(models={"teacher": changed(field)}).fingerprint != fingerprint().fingerprint


@pytest.mark.parametrize("field", names("execution", "about"))
def test_no_field_that_decides_only_speed_or_words_on_cards_does(
    fingerprint: Identify, field: dataclasses.Field[Any]
) -> None:
    assert changed(field) != spec()
    assert fingerprint(models={"teacher": changed(field)}).fingerprint == fingerprint().fingerprint


def test_every_field_of_a_model_spec_belongs_to_one_of_these_groups() -> None:
    grouped = [field.name for group in ("identity", "sampling", "execution", "about") for field in spec_fields(group)]
    assert sorted(grouped) == sorted(field.name for field in dataclasses.fields(ModelSpec))


def test_a_model_may_get_another_alias(fingerprint: Identify) -> None:
    renamed = fingerprint(models={"gpt": spec()}, params={"model": "gpt"})
    assert renamed.fingerprint == fingerprint().fingerprint
    assert renamed.aliases == {"model": "gpt"}


def test_several_models_may_get_other_aliases_but_not_change_places(fingerprint: Identify) -> None:
    one, two = spec(model="one"), spec(model="two")
    first = fingerprint("generate_sample", models={"base": one, "tuned": two}).fingerprint
    aliases = {"models": {"before": "x", "after": "y"}}
    assert fingerprint("generate_sample", models={"x": one, "y": two}, params=aliases).fingerprint == first
    assert fingerprint("generate_sample", models={"x": two, "y": one}, params=aliases).fingerprint != first


def test_the_column_that_a_model_fills_counts(fingerprint: Identify) -> None:
    models = {"base": spec(), "tuned": spec(model="two")}
    other = {"models": {"before": "base", "later": "tuned"}}
    first = fingerprint("generate_sample", models=models).fingerprint
    assert fingerprint("generate_sample", models=models, params=other).fingerprint != first


def test_an_unknown_alias_is_an_error_with_the_nearest_one(fingerprint: Identify) -> None:
    with pytest.raises(SettingsError, match="no model 'teachr'") as caught:
        fingerprint(params={"model": "teachr"})
    assert caught.value.hint == "did you mean 'teacher'?"


def test_a_value_that_is_written_out_counts_as_its_default(fingerprint: Identify) -> None:
    written = fingerprint(params={"temperature": None, "separator": "\n\n", "keep": []})
    assert written.fingerprint == fingerprint().fingerprint


@pytest.mark.parametrize("params", [{"temperature": 0}, {"instruction": "Sum up."}, {"system_prompt": ""}])
def test_every_param_counts(fingerprint: Identify, params: dict[str, Any]) -> None:
    assert fingerprint(params=params).fingerprint != fingerprint().fingerprint


def test_a_param_that_decides_no_result_does_not_count(fingerprint: Identify, table: Path) -> None:
    inputs = {"train": [table]}
    often = fingerprint("fine_tune", inputs=inputs, params={"save_steps": 3})
    assert often.fingerprint == fingerprint("fine_tune", inputs=inputs).fingerprint


def test_where_an_input_lies_does_not_count_and_what_is_in_it_does(
    fingerprint: Identify, table: Path, tmp_path: Path
) -> None:
    moved = tmp_path / "elsewhere" / "other_name.csv"
    moved.parent.mkdir()
    moved.write_bytes(table.read_bytes())
    assert fingerprint(inputs={"table": [moved]}).fingerprint == fingerprint().fingerprint
    moved.write_text("text\na\nc\n")
    assert fingerprint(inputs={"table": [moved]}).fingerprint != fingerprint().fingerprint


def test_how_a_table_is_compressed_does_not_count(fingerprint: Identify, tmp_path: Path) -> None:
    found = set()
    for compression in ("zstd", "uncompressed"):
        path = tmp_path / f"{compression}.parquet"
        polars.DataFrame({"text": ["a", "b"]}).write_parquet(path, compression=compression)
        found.add(fingerprint(inputs={"table": [path]}).fingerprint)
    assert len(found) == 1


def test_the_same_text_read_as_another_kind_of_table_counts(fingerprint: Identify, tmp_path: Path) -> None:
    names = ("a.csv", "a.tsv", "a.txt", "a.json", "a.jsonl")
    for name in (*names, "b.ndjson", "B.TSV"):
        (tmp_path / name).write_text('{"text": "a"}\n')
    found = {name: fingerprint(inputs={"table": [tmp_path / name]}).fingerprint for name in names}
    assert len(set(found.values())) == len(names)
    assert fingerprint(inputs={"table": [tmp_path / "b.ndjson"]}).fingerprint == found["a.jsonl"]
    assert fingerprint(inputs={"table": [tmp_path / "B.TSV"]}).fingerprint == found["a.tsv"]


def test_inputs_that_change_places_count(fingerprint: Identify, table: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("text\nx\n")
    one = fingerprint("fine_tune", inputs={"train": [table], "validation": [other]})
    two = fingerprint("fine_tune", inputs={"train": [other], "validation": [table]})
    assert one.fingerprint != two.fingerprint


def test_the_order_of_inputs_with_the_same_role_counts(memo: DigestMemo, table: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("text\nx\n")

    def of(*targets: Path) -> str:
        given = {"target": list(targets)}
        meta = load_meta("card")
        params = validate_params(meta.params, {}, where="card")
        return identify(meta, params, given, outputs={"json"}, settings=Settings(), memo=memo).fingerprint

    assert of(table, other) != of(other, table)


def test_an_input_that_is_gone_counts_as_what_it_was_last(fingerprint: Identify, table: Path) -> None:
    before = fingerprint().fingerprint
    table.unlink()
    assert fingerprint().fingerprint == before


def test_an_input_that_nobody_ever_saw_is_not_there_yet(fingerprint: Identify, tmp_path: Path) -> None:
    identified = fingerprint(inputs={"table": [tmp_path / "never.csv"]})
    assert identified.preimage.inputs == {"table": [NOT_YET]}


def test_a_local_model_counts_by_its_content_even_when_it_is_gone(fingerprint: Identify, tmp_path: Path) -> None:
    def of(name: str) -> str:
        local = spec(provider="transformers", model=str(tmp_path / name))
        return fingerprint(models={"teacher": local}).fingerprint

    for name in ("one", "copy", "trained"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_text("weights" if name != "trained" else "other weights")
    first = of("one")
    assert of("copy") == first
    assert of("trained") != first
    (tmp_path / "one" / "model.safetensors").unlink()
    (tmp_path / "one").rmdir()
    assert of("one") == first


def test_no_path_and_no_alias_is_part_of_the_preimage(fingerprint: Identify, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "model.safetensors").write_text("weights")
    local = spec(provider="transformers", model=str(tmp_path / "weights"))
    preimage = fingerprint(models={"quaintalias": local}, params={"model": "quaintalias"}).preimage
    assert str(tmp_path) not in str(preimage.canonical())
    assert "quaintalias" not in str(preimage.canonical())


def test_the_files_of_local_models_are_no_inputs_of_their_own(fingerprint: Identify, table: Path) -> None:
    inputs = {"table": [table], "model_teacher": [table]}
    assert fingerprint(inputs=inputs).fingerprint == fingerprint().fingerprint


def test_the_outputs_that_are_made_count(fingerprint: Identify) -> None:
    assert fingerprint(outputs={"table"}).fingerprint == fingerprint().fingerprint
    assert fingerprint(outputs=set()).fingerprint != fingerprint().fingerprint


def test_what_else_a_result_depends_on_counts(fingerprint: Identify) -> None:
    assert fingerprint(extra={"records": ["x"]}).fingerprint != fingerprint().fingerprint


def test_a_function_counts_by_its_code_and_not_by_its_name(
    fingerprint: Identify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moved").mkdir()
    for path in ("steps.py", "moved/other.py"):
        (tmp_path / path).write_text("def f(row):\n    return row\n")
    before = fingerprint("map", params={"function": "steps.py:f"})
    assert before.preimage.code == {"function": before.code["function"].digest}
    assert "function" not in before.preimage.params
    assert fingerprint("map", params={"function": "moved/other.py:f"}).fingerprint == before.fingerprint
    (tmp_path / "steps.py").write_text("def f(row):\n    return [row]\n")
    assert fingerprint("map", params={"function": "steps.py:f"}).fingerprint != before.fingerprint
    with pytest.raises(SettingsError, match="no function"):
        fingerprint("map", params={"function": "steps.py:g"})


# What version 1 of these rules gave before they had any of the parameters that count only where they are given.
VERSION_1 = {
    "data_from_prompt": "xxh3:5bf8874ee39d5908fb71f77c7787e0fb",
    "process_with_prompt": "xxh3:61fc01a0d9a70122fd91eb64d570d3b1",
    "generate_sample": "xxh3:bb7dc86ea71c41e415da652dc15bd39b",
}
GIVEN_1: Mapping[str, dict[str, Any]] = {
    "data_from_prompt": {"model": "teacher", "n": 3, "instruction": "Write."},
    "process_with_prompt": {
        **{"model": "student", "inputs": "text", "instruction": "Write.", "keep": ["model"]},
        **{"columns": {"inputs": "text"}, "temperature": 0.5, "stop": ["#"]},
    },
    # sorted: the order of these columns did not count then, and counts now where it is another one
    "generate_sample": {"models": {"after": "student", "before": "teacher"}, "inputs": "text", "n": 2},
}
# The parameters that were added since, each with its default and another value.
ADDED: Mapping[str, tuple[Any, Any]] = {
    "logprobs": (None, 0),
    "schema": (None, {"type": "object", "properties": {"a": {"type": "string"}}}),
    "repairs": (1, 0),
    "max_failures": (0, 0.1),
    "fail_on": ([], ["empty"]),
}
NO_IDENTITY = {"cache": "write", "budget": {"usd": 1}}


def fingerprint_1(rule: str, memo: DigestMemo, folder: Path, **more: Any) -> str:
    table = folder / "in.csv"
    table.write_text("text\none\ntwo\n")
    meta = load_meta(rule)
    student = ModelSpec(provider="openai", model="s", temperature=0.5)
    return identify(
        meta,
        validate_params(meta.params, {**GIVEN_1[rule], **more}, where=rule),
        {"table": [table]} if "table" in meta.inputs else {},
        outputs={"table"},
        settings=Settings(models={"teacher": ModelSpec(provider="echo", model="teacher"), "student": student}),
        memo=memo,
    ).fingerprint


@pytest.mark.parametrize("rule", VERSION_1)
def test_a_parameter_that_was_added_later_leaves_earlier_fingerprints_as_they_are(
    rule: str, memo: DigestMemo, tmp_path: Path
) -> None:
    assert load_meta(rule).version == "1", "with a new version, take these fingerprints out"
    assert fingerprint_1(rule, memo, tmp_path) == VERSION_1[rule]
    for name, (default, other) in ADDED.items():
        assert fingerprint_1(rule, memo, tmp_path, **{name: default}) == VERSION_1[rule], f"{name}: its default"
        assert fingerprint_1(rule, memo, tmp_path, **{name: other}) != VERSION_1[rule], f"{name}: another value"
    assert fingerprint_1(rule, memo, tmp_path, **NO_IDENTITY) == VERSION_1[rule]


def test_an_images_column_counts_only_where_it_is_given(memo: DigestMemo, tmp_path: Path) -> None:
    rule = "process_with_prompt"
    assert fingerprint_1(rule, memo, tmp_path, images=None) == VERSION_1[rule]
    assert fingerprint_1(rule, memo, tmp_path, images="text") != VERSION_1[rule]


def test_the_suffix_of_an_output_is_identity_where_it_decides_what_is_made_and_its_path_never_is(
    fingerprint: Identify,
) -> None:
    def of(plot: str) -> Identified:
        outputs = {"scores": [Path("scores.parquet")], "plot": [Path(plot)]}
        return fingerprint("evaluate", params={"metrics": ["win_rate"]}, outputs=outputs)

    assert of("a.svg").preimage.outputs == {"scores": "table", "plot": "file .svg"}
    assert of("a.svg").fingerprint == of("elsewhere/b.svg").fingerprint
    assert of("a.svg").fingerprint != of("a.png").fingerprint
