"""What the task of each rule makes of a small fixed input, as digests.

The models echo: a reply names the key of its request, so that whatever a task asks otherwise is seen in its rows.
Nothing here depends on the machine, the clock or the version of a library.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from dreamsmk.cards.task import write_card
from dreamsmk.hashing import digest_file, digest_rows
from dreamsmk.settings import ModelSpec, validate_params
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.context import Context
from tests.unit.cards.records import RecordFolder, example_one
from tests.unit.tasks.desk import Desk, Notes
from tests.unit.tasks.evaluation.golden import CASES as EVALUATION
from tests.unit.tasks.models.golden import CASES as MODELS
from tests.unit.tasks.results_of_prompting import PROMPTING
from tests.unit.tasks.results_of_recipes import RECIPES
from tests.unit.tasks.results_of_retrieval import RETRIEVAL
from tests.unit.tasks.results_of_shaping import SHAPING
from tests.unit.tasks.results_of_sources import NEED_A_HUB, SOURCES
from tests.unit.tasks.training.golden import MODULES as TRAINING

# Digests by what was made.
Digests = dict[str, str]

EXCLUDED = {
    "gguf_model": "it makes nothing without a download; its tests compare what it writes with the GGUF file itself",
    **NEED_A_HUB,
    "step": "what it makes is a function of the user's",
    "wheel_model": "it makes nothing without a download; its tests compare what it writes with the wheel's files",
}

TEXTS = {
    "abstract": ["We show a thing.", "", "We show a thing.", "Zwei\nZeilen, 日本"],
    "tweet": ["A thing!", "Nothing.", "A thing!", "Zwei! 🦜"],
    "number": [1, 2, 3, 4],
}
SAMPLING = {"temperature": 0.5, "top_p": 0.9, "max_tokens": 6, "stop": ["#"], "seed": 7, "extra": {"flag": True}}
LABELS = {"input_label": "Text:", "instruction_label": None, "separator": "\n", "system_prompt": "You are brief."}


def results_of(rule: str, folder: Path) -> Digests:
    """Runs the task of a rule in an empty folder and returns the digests of what it makes."""
    with contextlib.chdir(folder):
        desk = Desk(folder, {name: ModelSpec(provider="echo", model=name) for name in ("teacher", "student")})
        return dict(CASES[rule](desk))


def _data_from_prompt(desk: Desk) -> Iterator[tuple[str, str]]:
    yield _rows(desk, "plain", "data_from_prompt", {}, model="teacher", n=3, instruction=" Write a joke.\n")
    columns, keep = {"generations": "joke"}, ["prompts", "model", "finish_reason"]
    asked = {"system_prompt": "You are funny.", "columns": columns, "keep": keep, **SAMPLING}
    yield _rows(desk, "all", "data_from_prompt", {}, model="teacher", n=2, instruction="Write a joke.", **asked)
    file = {"instruction": desk.file("joke.txt", "Write a joke\nof two lines.\n")}
    yield _rows(desk, "from a file", "data_from_prompt", file, model="teacher", n=1)


def _process_with_prompt(desk: Desk) -> Iterator[tuple[str, str]]:
    table, rule = {"table": desk.table(TEXTS)}, "process_with_prompt"
    given = {"model": "teacher", "inputs": "abstract"}
    yield _rows(desk, "plain", rule, table, **given, instruction=" Write a tweet.\n")
    columns, keep = {"inputs": "abstract", "generations": "tweet"}, ["prompts", "model", "finish_reason"]
    asked = {"instruction": "Write a tweet.", "columns": columns, "keep": keep, **LABELS, **SAMPLING}
    yield _rows(desk, "all", rule, table, **given, **asked)
    file = table | {"instruction": desk.file("tweet.txt", "Write a tweet\nof two lines.\n")}
    yield _rows(desk, "from a file", rule, file, **given)


def _generate_sample(desk: Desk) -> Iterator[tuple[str, str]]:
    table, models = {"table": desk.table(TEXTS)}, {"before": "student", "after": "teacher"}
    given = {"models": models, "inputs": "abstract", "n": 2}
    yield _rows(desk, "plain", "generate_sample", table, **given)
    asked = {"outputs": "tweet", "instruction": "Write a tweet.", **LABELS, **SAMPLING}
    yield _rows(desk, "all", "generate_sample", table, **given, **asked)


def _split(desk: Desk) -> Iterator[tuple[str, str]]:
    table = {"table": desk.table({"row": range(20), "text": [str(row) for row in range(20)]})}
    parts = ("train", "validation", "test")
    for name, params in (("in order", {}), ("shuffled", {"seed": 3})):
        desk.run("split", table, parts, train=0.7, validation=0.2, test=0.1, **params)
        for part in parts:
            yield f"{name}: {part}", digest_rows(desk.folder / f"made_{part}.parquet")
    grouped = {"table": desk.table({"row": range(20), "label": ["a", "b", "b", "c"] * 5})}
    desk.run("split", grouped, parts, train=0.7, validation=0.2, test=0.1, seed=3, stratify_by="label")
    for part in parts:
        yield f"stratified: {part}", digest_rows(desk.folder / f"made_{part}.parquet")


STEPS = """
import polars as pl

def kept(row):
    if row["number"] == 2:
        return None
    return [{"text": row["tweet"].upper(), "half": row["number"] / 2, "list": [row["number"]]}] * row["number"]

def smaller(row):
    return {"number": row["number"] - 1, "none": None}

def counted(frame):
    return frame.group_by("abstract", maintain_order=True).agg(pl.len().cast(pl.Int64).alias("rows"))
"""


def _map(desk: Desk) -> Iterator[tuple[str, str]]:
    desk.table(TEXTS)
    desk.file("golden_steps.py", STEPS)
    for name, params in (
        ("by row", {"function": "golden_steps.py:kept"}),
        ("by batch", {"function": "golden_steps.py:counted", "by": "batch", "batch_rows": 3}),
        ("with types", {"function": "golden_steps.py:smaller", "columns": {"number": "Int8", "none": "Date"}}),
    ):
        context = _context("map", params, {"table": [Path("table.parquet")]}, {"table": Path("made.parquet")})
        load_meta("map").load_task()(context)
        yield name, digest_rows(Path("made.parquet"))


def _card(desk: Desk) -> Iterator[tuple[str, str]]:
    records = RecordFolder(desk.folder / "records")
    for record in example_one():
        records.add(record)
    for name in ("results/student", "results/tweets.parquet"):
        Path(name).parent.mkdir(exist_ok=True)
    Path("results/student").mkdir()
    pl.DataFrame({"step": [1, 2], "loss": [3.5, 1.25]}).write_parquet("results/student/history.parquet")
    for name in ("train", "validation", "sample"):
        pl.DataFrame({"abstracts": ["We | show"] * 4, "tweets": ["x" * 900, None, "b", "c"]}).write_parquet(
            f"results/{name}.parquet"
        )
    stated = {"title": "Tweets", "license": "cc-by-4.0", "language": "en", "sources": {}, "limitations": "Few rows."}
    for kind, params, inputs in (
        ("data", stated, {"target": [Path("results/train.parquet"), Path("results/validation.parquet")]}),
        ("model", {}, {"target": [Path("results/student")], "sample": [Path("results/sample.parquet")]}),
    ):
        made = {"json": Path("card.json"), "markdown": Path("card.md")}
        write_card(_context("card", params, inputs, made), records)
        for role, path in made.items():
            yield f"{kind}: {role}", digest_file(path)


CASES: dict[str, Callable[[Desk], Iterator[tuple[str, str]]]] = {
    "card": _card,
    "data_from_prompt": _data_from_prompt,
    "generate_sample": _generate_sample,
    "map": _map,
    "process_with_prompt": _process_with_prompt,
    "split": _split,
    **PROMPTING,
    **RECIPES,
    **RETRIEVAL,
    **SHAPING,
    **SOURCES,
    **EVALUATION,
    **MODELS,
    **{rule: case for module in TRAINING for rule, case in module.CASES.items()},
}


def _rows(desk: Desk, name: str, rule: str, inputs: dict[str, Path], /, **params: Any) -> tuple[str, str]:
    desk.run(rule, inputs, **params)
    return name, digest_rows(desk.folder / "made_table.parquet")


def _context(rule: str, params: dict[str, Any], inputs: dict[str, list[Path]], outputs: dict[str, Path]) -> Context:
    def model(alias: str) -> Any:
        raise AssertionError(f"{rule} asks no model")

    return Context(
        params=validate_params(load_meta(rule).params, params, where=rule),
        inputs=inputs,
        outputs=outputs,
        scratch=Path(),
        model=model,
        progress=Notes(),
        home=Path(".dreamsmk"),
    )
