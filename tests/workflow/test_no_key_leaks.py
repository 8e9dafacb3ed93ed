"""An API key stands in the environment and in the headers of requests, and nowhere else.

Services repeat the key in what they say of it; whatever they say, nothing that a workflow leaves behind or prints may
hold it: not logs, not Snakemake's own files, not the cache, records, cards, failure tables, exports or bundles.
"""

from __future__ import annotations

import base64
import gzip
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars

from tests.wire import WireServer
from tests.workflow.project import Project

KEYS = {
    "OPENAI_API_KEY": "sk-proj-Zq7LeakOfTheFirstKey4Vt1mN8w",
    "ANTHROPIC_API_KEY": "sk-ant-api03-Xb5LeakOfTheSecondKey9Rr2kD6u",
}
# So much of a key is told by nobody by accident.
PART_CHARACTERS = 12
SQLITE = b"SQLite format 3\x00"

# What the service does to a prompt that holds the word; what has no `times` never ends.
FAULTS = {
    "unauthorized": {"status": 401},
    "rejected": {"status": 400},
    "overloaded": {"status": 500},
    "limited": {"status": 429, "retry_after_ms": "1", "times": 2},
    "errors": {"kind": "empty"},
    "dropped": {"kind": "reset"},
}
MODELS = ("openai", "anthropic")


def rule(name: str, model: str, word: str) -> str:
    return f"""
use rule data_from_prompt from dream as {name} with:
    output: "results/{name}.parquet"
    log: "logs/{name}.log"
    params:
        model="{model}",
        n=3,
        instruction="Write a sentence: {word} at {model}.",
"""


def card(name: str) -> str:
    return f"""
use rule card from dream as card_{name} with:
    input: "results/{name}.parquet"
    output: json="results/{name}.json", markdown="results/{name}.md"
    params:
        repo_id="someone/{name}"
"""


def faulty(server: WireServer) -> None:
    """Lets each service repeat the key that it was sent in whatever it says of a request that it does not like."""
    for model, key in zip(MODELS, KEYS.values(), strict=True):
        words = f"Incorrect API key provided: {key}. You can find it in your account. (Authorization: Bearer {key})"
        for word, fault in FAULTS.items():
            server.fail(**{"kind": "status", "contains": f"{word} at {model}.", "message": words} | fault)


def project_with(folder: Path, server: WireServer) -> Project:
    """A project with a rule for each model and fault, and one for each model without any."""
    names = [(f"{word}_{model}", model, word) for model in MODELS for word in ("fine", *FAULTS)]
    rules = "".join(rule(*name) for name in names) + "".join(card(f"fine_{model}") for model in MODELS)
    urls = {"openai": server.openai_url, "anthropic": server.url}
    models = {
        model: {"provider": model, "model": "m", "base_url": urls[model], "max_retries": 1, "max_tokens": 50}
        for model in MODELS
    }
    targets = [f"results/{name}.parquet" for name, _, _ in names] + [f"results/fine_{model}.md" for model in MODELS]
    project = Project.with_rules(folder, rules, {"models": models}, target='", "'.join(targets))
    project.environment.update(KEYS)
    return project


def written(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yields all that stands in the files of a folder: their bytes, and what they hold where that is compressed."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        yield str(path), content
        if content.startswith(SQLITE):
            yield f"{path}, rows", repr(list(sqlite_rows(path))).encode()
        if content.startswith(b"PAR1"):
            yield f"{path}, rows", repr(polars.read_parquet(path).rows()).encode()
            yield f"{path}, metadata", repr(polars.read_parquet_metadata(path)).encode()
        if content.startswith(b"\x1f\x8b"):
            yield f"{path}, unpacked", gzip.decompress(content)
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed, tempfile.TemporaryDirectory() as unpacked:
                packed.extractall(unpacked)
                yield from ((f"{path}, {name}", inner) for name, inner in written(Path(unpacked)))


def sqlite_rows(path: Path) -> Iterator[tuple[object, ...]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        connection.text_factory = bytes
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            yield from connection.execute(f'SELECT * FROM "{table.decode()}"')


def parts_of_keys() -> set[bytes]:
    """Returns each stretch of a key that tells something of it, and the keys in base64."""
    parts = set()
    for key in KEYS.values():
        for start in range(len(key) - PART_CHARACTERS + 1):
            parts.add(key[start : start + PART_CHARACTERS].encode())
        parts.add(base64.b64encode(key.encode())[:-4])
    return parts


def leaks(places: Iterator[tuple[str, bytes]]) -> list[str]:
    """Returns where any part of a key stands, with what stands around it."""
    parts = parts_of_keys()
    found = []
    for place, content in places:
        part = next((part for part in parts if part in content), None)
        if part is not None:
            start = content.index(part)
            found.append(f"{place}: …{content[max(0, start - 60) : start + 60]!r}…")
    return found


def test_no_key_is_left_behind_or_printed(tmp_path: Path, wire: WireServer) -> None:
    """Successes and failures of every kind, with both services, then all that can be made of them."""
    faulty(wire)
    project = project_with(tmp_path / "project", wire)
    run = project.run("--keep-going", "--show-failed-logs", "--verbose", fails=True)
    sent = {value for asked in wire.requests for value in asked.headers.values()}
    assert {value.removeprefix("Bearer ") for value in sent} >= set(KEYS.values()), "the keys were not even sent"
    for model in MODELS:
        for word, fault in FAULTS.items():
            assert (project.folder / f"results/{word}_{model}.parquet").exists() == ("times" in fault), word
            assert (project.folder / f"logs/{word}_{model}.log").stat().st_size > 0
        assert (project.folder / f"results/fine_{model}.md").exists()
    said = [("stdout and stderr", run.output.encode())]
    for arguments in commands(tmp_path):
        done = project.dreamsmk(*arguments)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        said.append((" ".join(arguments), (done.stdout + done.stderr).encode()))
    assert leaks(iter(said)) == []
    assert leaks(written(project.folder)) == []
    assert leaks(written(tmp_path / "out")) == []


def commands(folder: Path) -> list[list[str]]:
    """What is run afterwards: everything that shows, exports or bundles."""
    out = folder / "out"
    out.mkdir()
    return [
        ["cache", "stats", "--json"],
        ["cache", "list", "--json"],
        ["cache", "export", str(out / "calls.jsonl")],
        ["cache", "export", str(out / "calls.parquet")],
        ["bundle", str(out / "folder")],
        ["bundle", str(out / "packed.zip")],
        ["explain", "results/fine_openai.parquet"],
        ["card", "results/fine_anthropic.parquet"],
    ]


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    """A key in plain text, in a table that is compressed, in a database and in a packed file."""
    key = KEYS["OPENAI_API_KEY"]
    (tmp_path / "plain.log").write_text(f"it is {key[5:25]}")
    polars.DataFrame({"reason": [f"key {key}"] * 50}).write_parquet(tmp_path / "table.parquet", compression="zstd")
    (tmp_path / "packed.gz").write_bytes(gzip.compress(key.encode()))
    with zipfile.ZipFile(tmp_path / "bundle.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(tmp_path / "table.parquet", "calls.parquet")
    with closing(sqlite3.connect(tmp_path / "rows.db")) as connection:
        connection.execute("CREATE TABLE rows (value TEXT)")
        connection.execute("INSERT INTO rows VALUES (?)", (key,))
        connection.commit()
    (tmp_path / "encoded").write_bytes(base64.b64encode(key.encode()))
    names = {Path(leak.split(": ")[0].split(",")[0]).name for leak in leaks(written(tmp_path))}
    assert names == {"plain.log", "table.parquet", "packed.gz", "bundle.zip", "rows.db", "encoded"}
