"""A home and a call cache with something in them, as a workflow would leave them."""

from __future__ import annotations

from pathlib import Path

import pytest

from dreamsmk.calls import SqliteCallCache
from dreamsmk.hashing import DigestMemo
from dreamsmk.requests import Message, ModelIdentity, Request, Response, Sampling, Usage
from dreamsmk.store import ActionStore, Home, Records
from dreamsmk.tables import write_table

FINGERPRINT = "xxh3:" + "ab" * 16
PROMPT = "Tell me of the sea, please."
MODEL = ModelIdentity("openai", "model-a")


def make_request(text: str = PROMPT) -> Request:
    return Request(MODEL, (Message("user", text),), Sampling(temperature=0.5))


def make_response(text: str = "It is wide.") -> Response:
    return Response(text, "stop", "model-a-1", Usage(3, 0, 2), "2026-01-01T00:00:00.000+00:00", 0.25)


class Place:
    """A home with one record and one entry, and a cache with two calls."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / ".dreamsmk")
        self.home.path.mkdir(parents=True)
        self.memo = DigestMemo(self.home.digests)
        self.records = Records(self.home, self.memo)

    def cache(self) -> SqliteCallCache:
        return SqliteCallCache(self.home.calls)

    def fill(self, project: Path) -> None:
        import polars

        with self.cache() as cache:
            for number, text in enumerate((PROMPT, "naïve 日本 \U0001f600")):
                request = make_request(text)
                cache.put(request.key(), request, make_response(f"reply {number}"), rule="ask")
        made = project / "made.parquet"
        write_table(polars.DataFrame({"a": [1, 2]}), made)
        action = ActionStore(self.home, self.memo).keep(FINGERPRINT, {"table": made}, {"table": "table"})
        self.records.write(make_record(project, action.outputs["table"].digest))


def make_record(project: Path, digest: str) -> dict:
    return {
        "record_version": 1,
        "fingerprint": FINGERPRINT,
        "rule": "ask",
        "preimage": {"params": {"instruction": "Say it in short words", "temperature": 0.5, "model": "teacher"}},
        "outputs": {"table": {"path": str(project / "results" / "t.parquet"), "kind": "table", "digest": digest}},
        "facts": {"rows": 2, "prompts": {"instruction": "Say it in short words"}},
        "code": {"fn": {"digest": "sha256:" + "0" * 64, "sources": {"a.py": "def f():\n    pass\n"}}},
        "finished_at": "2026-01-01T00:00:00+00:00",
    }


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    project = tmp_path / "there"
    place = Place(project)
    monkeypatch.chdir(project)
    place.fill(project)
    return place


@pytest.fixture
def here(tmp_path: Path) -> Place:
    return Place(tmp_path / "here")
