"""A rule that is one function of the user's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dreamsmk.errors import DreamsmkError, ProviderError, SettingsError, TableError
from dreamsmk.requests import Message
from dreamsmk.settings import validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.context import Context
from dreamsmk.tasks.step import Step, run_step
from tests.unit.tasks.desk import Desk, Notes

PAPERS = {"id": [1, 2], "abstract": ["Über attention.", "On scaling."]}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def made_by(desk: Desk, body: str, **params: Any) -> pl.DataFrame:
    """Runs a function of this body over the table of papers, and returns the table that it makes."""
    desk.file("steps.py", "import polars as pl\n\ndef mine(step):\n" + "".join(f"    {x}\n" for x in body.splitlines()))
    papers = desk.table(PAPERS)
    return desk.run("step", {"papers": papers}, function="steps.py:mine", **params)["table"]


def test_the_function_gets_tables_paths_and_values_and_returns_a_table(project: Path, desk: Desk) -> None:
    body = """assert step.outputs == ["table"]
assert step.path("papers") == step.paths("papers")[0]
assert step.scan("papers").collect().equals(step.table("papers"))
assert step.table("papers", ["id"]).columns == ["id"]
step.progress(1, 2, rows=1)
step.note("said")
step.facts["licenses"] = ["cc-by-4.0"]
return step.table("papers").with_columns(n=pl.col("id") * step.args["factor"])"""
    assert made_by(desk, body, args={"factor": 3})["n"].to_list() == [3, 6]
    assert desk.facts == {"rows": 2, "licenses": ["cc-by-4.0"]}


@pytest.mark.parametrize(
    "returned",
    [
        "step.scan('papers')",
        "{'table': step.table('papers')}",
        "step.table('papers').to_dicts()",
        "step.table('papers').to_arrow()",
        "step.table('papers').write_parquet(step.output())",
    ],
)
def test_a_table_may_be_returned_in_many_forms_or_written(project: Path, desk: Desk, returned: str) -> None:
    assert made_by(desk, f"return {returned}").equals(pl.DataFrame(PAPERS))


def test_calls_go_through_the_cache_and_are_paid_once(project: Path, desk: Desk) -> None:
    body = "return step.table('papers').with_columns(title=pl.Series(step.ask(step.table('papers')['abstract'], QQ)))"
    first = made_by(desk, body.replace(", QQ", ", system='A title.'"), models="teacher")
    assert desk.sent() == 2
    again = made_by(desk, body.replace(", QQ", ", system='A title.'"), models={"writer": "teacher"})
    assert desk.sent() == 0
    assert again.equals(first)
    assert not made_by(desk, body.replace(", QQ", ", temperature=0.5"), models="student").equals(first)
    assert desk.sent() == 2


def test_conversations_schemas_vectors_and_whole_replies(project: Path, desk: Desk) -> None:
    body = """from dreamsmk.requests import Message
talk = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, Message("user", "c")]
replies = list(step.replies([talk], model="writer", max_tokens=5))
schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
found = step.extract(["one", "two"], schema, model="judge", system="Count.")
vectors = step.embed(["one", "two"], model="judge")
rows = [{"text": replies[0].text, "n": row["n"], "width": len(vector)} for row, vector in zip(found, vectors)]
return rows"""
    made = made_by(desk, body, models={"writer": "teacher", "judge": "student"})
    assert made.height == 2
    assert made.schema == {"text": pl.String, "n": pl.Int64, "width": pl.Int64}
    assert made["width"].n_unique() == 1


def test_a_dictionary_is_a_message() -> None:
    from dreamsmk.tasks.step import _conversation

    assert _conversation([{"role": "user", "content": "a"}]) == (Message("user", "a"),)


@pytest.mark.parametrize(
    ("body", "params", "said", "where"),
    [
        ("return 1 / 0", {}, "ZeroDivisionError: division by zero", "steps.py, line 4"),
        ("return step.table('paper')", {}, "the rule has no input 'paper'", "steps.py, line 4"),
        ("return step.output('tabel')", {}, "the rule has no output 'tabel'", "steps.py, line 4"),
        ("return step.ask(['a'])", {}, "the rule names none", "params.models"),
        ("return step.ask(['a'])", {"models": {"a": "teacher", "b": "student"}}, "which model is asked?", "params"),
        ("return step.ask(['a'], model='x')", {"models": "teacher"}, "the rule has no model 'x'", "steps.py, line 4"),
        ("return step.ask(['a'], temprature=1)", {"models": "teacher"}, "no sampling value 'temprature'", "teacher"),
        ("return None", {}, "the function made no 'table'", "steps.py:mine"),
        ("return 7", {}, "a int, which is no table", "steps.py:mine, output 'table'"),
        ("return []", {}, "a list, which is no table", "steps.py:mine, output 'table'"),
        ("return {'tabel': step.table('papers')}", {}, "the rule has no output 'tabel'", "steps.py:mine"),
    ],
)
def test_what_goes_wrong_is_said_with_its_place(
    project: Path, desk: Desk, body: str, params: dict[str, Any], said: str, where: str
) -> None:
    with pytest.raises(DreamsmkError) as caught:
        made_by(desk, body, **params)
    assert isinstance(caught.value, (SettingsError, TableError, ProviderError))
    assert said in caught.value.what
    assert where in caught.value.where
    assert len(str(caught.value).splitlines()) <= 3


def test_several_outputs_are_returned_by_name_and_files_are_written(project: Path) -> None:
    Path("steps.py").write_text(
        "import polars as pl\n\ndef mine(step):\n    step.output('notes').mkdir()\n"
        "    (step.output('notes') / 'a.txt').write_text('a')\n    return RETURNED\n"
    )
    text = Path("steps.py").read_text()
    outputs = {"odd": Path("odd.parquet"), "notes": Path("notes")}

    def run(returned: str) -> None:
        Path(f"steps_{len(returned)}.py").write_text(text.replace("RETURNED", returned))
        params = {"function": f"steps_{len(returned)}.py:mine"}
        run_step(
            Context(
                validate_params(load_meta("step").params, params, where="rule step"),
                {},
                outputs,
                scratch=project,
                model=pytest.fail,
                progress=Notes(),
            )
        )

    with pytest.raises(TableError, match="and the rule has 2 outputs") as caught:
        run("pl.DataFrame()")
    assert caught.value.hint == "return them by name: {'odd': …, 'notes': …}"
    (Path("notes") / "a.txt").unlink()
    Path("notes").rmdir()
    run("{'odd': pl.DataFrame({'a': [1]})}")
    assert pl.read_parquet("odd.parquet").rows() == [(1,)]
    assert Step.__doc__
