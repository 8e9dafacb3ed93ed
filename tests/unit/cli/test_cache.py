"""`dreamsmk cache`: what was asked and paid for, and what is to be done with it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dreamsmk.calls import SqliteCallCache
from dreamsmk.requests import Message, ModelIdentity, Request, Response, Sampling, ToolCall, Usage
from tests.unit.cli.conftest import Ask


def ask_of(text: str, model: str = "gpt-4o-mini", **sampling: float) -> Request:
    messages = (Message("system", "Be brief."), Message("user", text))
    return Request(ModelIdentity("openai", model), messages, Sampling(**sampling))


def reply_of(text: str, days_ago: int = 0) -> Response:
    moment = (datetime.now(UTC) - timedelta(days=days_ago)).isoformat(timespec="milliseconds")
    return Response(text, "stop", "gpt-4o-mini-2024-07-18", Usage(1000, 400, 2000, 50), moment, 0.5, retries=1)


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A call cache with four calls."""
    path = tmp_path / "calls.db"
    with SqliteCallCache(path) as cache:
        for text, model, rule, days_ago in [
            ("tweet on whales", "gpt-4o-mini", "tweets", 40),
            ('tweet on "wolves"', "gpt-4o-mini", "tweets", 20),
            ("essay on whales", "unheard-of", "essays", 10),
            ("tweet on newts", "gpt-4o-mini", "tweets", 0),
        ]:
            request = ask_of(text, model, temperature=0.5)
            cache.put(request.key(), request, reply_of(f"Here is a {text}.", days_ago), rule=rule)
    return str(path)


def count(file: str) -> int:
    with SqliteCallCache(file) as cache:
        return cache.count()


class TestStats:
    def test_each_model_and_each_rule_has_a_line_and_there_is_a_total(self, ask: Ask, file: str) -> None:
        said = ask("cache", "stats", "--file", file)
        assert said.status == 0
        models, rules, total = said.out.split("\n\n")
        heading, line, other = models.splitlines()
        names = ["provider", "model", "calls", "input", "cached", "output", "reasoning", "usd", "seconds", "retries"]
        assert heading.split()[:10] == names
        assert line.split()[:7] == ["openai", "gpt-4o-mini", "3", "3,000", "1,200", "6,000", "150"]
        assert float(line.split()[7]) > 0
        assert line.split()[8:10] == ["0.50", "3"]
        assert other.split()[7] == "-", "nobody knows what it costs"
        assert [row.split()[0] for row in rules.splitlines()] == ["rule", "tweets", "essays"]
        assert total.startswith("4 calls, 4,000 tokens in, 8,000 out, 0.00 USD and 1 calls without a known price")

    def test_the_json_has_every_count(self, ask: Ask, file: str) -> None:
        found = json.loads(ask("cache", "stats", "--file", file, "--json").out)
        row = found["models"][0]
        assert (row["provider"], row["model"], row["calls"], row["retries"]) == ("openai", "gpt-4o-mini", 3, 3)
        assert row["usage"]["reasoning_tokens"] == 150
        assert row["cost_usd"] > 0
        assert row["prices"].startswith("genai-prices")
        assert [(row["rule"], row["calls"]) for row in found["rules"]] == [("tweets", 3), ("essays", 1)]

    def test_what_is_counted_can_be_chosen(self, ask: Ask, file: str) -> None:
        said = ask("cache", "stats", "--file", file, "--newer-than", "15d", "--json")
        assert [row["calls"] for row in json.loads(said.out)["models"]] == [1, 1]

    def test_a_cache_without_calls_says_so_beside_the_data(self, ask: Ask, tmp_path: Path) -> None:
        said = ask("cache", "stats", "--home", str(tmp_path))
        assert (said.status, said.out) == (0, "")
        assert "no such calls" in said.err
        assert json.loads(ask("cache", "stats", "--home", str(tmp_path), "--json").out) == {"models": [], "rules": []}
        assert list(tmp_path.iterdir()) == [], "looking makes nothing"


class TestList:
    def test_the_newest_calls_come_first(self, ask: Ask, file: str) -> None:
        said = ask("cache", "list", "--file", file, "--limit", "2")
        heading, newest, _ = said.out.splitlines()
        assert heading.split() == ["key", "when", "rule", "model", "in", "out", "usd", "reply"]
        assert newest.split()[0] == ask_of("tweet on newts", temperature=0.5).key()[7:19]
        assert newest.endswith("Here is a tweet on newts.")

    @pytest.mark.parametrize(
        ("words", "found"),
        [
            (["--model", "unheard-of"], ["essay on whales"]),
            (["--rule", "tweets", "--older-than", "30d"], ["tweet on whales"]),
            (["--newer-than", "30d", "--older-than", "240h"], ["tweet on wolves", "essay on whales"]),
            (["--older-than", "2020-01-01"], []),
            (["--containing", 'on "wolves"'], ["tweet on wolves"]),
            (["--provider", "anthropic"], []),
        ],
    )
    def test_calls_are_found_by_what_they_were(self, ask: Ask, file: str, words: list[str], found: list[str]) -> None:
        rows = json.loads(ask("cache", "list", "--file", file, "--json", *words).out)
        asked = [row["request"]["messages"][1]["content"].replace('"', "") for row in rows]
        assert asked[::-1] == found

    def test_none_is_said_beside_the_data(self, ask: Ask, file: str) -> None:
        said = ask("cache", "list", "--file", file, "--model", "none")
        assert (said.status, said.out) == (0, "")
        assert "no such calls" in said.err

    @pytest.mark.parametrize("age", ["soon", "2020-13-01", "3 fortnights"])
    def test_an_age_that_is_none_is_a_wrong_request(self, ask: Ask, file: str, age: str) -> None:
        assert ask("cache", "list", "--file", file, "--older-than", age).status == 2


class TestShow:
    def test_a_call_is_shown_whole(self, ask: Ask, file: str) -> None:
        key = ask_of("tweet on newts", temperature=0.5).key()
        said = ask("cache", "show", key[7:19], "--file", file).out
        for words in (key, "by rule tweets", "openai gpt-4o-mini", "temperature 0.5", "Be brief.", "tweet on newts"):
            assert words in said
        assert "reply of gpt-4o-mini-2024-07-18 (stop)" in said
        assert "1,000 tokens in (400 cached), 2,000 out (50 reasoning), 0.50 s, 1 retries" in said
        assert "USD (genai-prices" in said
        assert json.loads(ask("cache", "show", key, "--file", file, "--json").out)["key"] == key

    def test_tools_reasoning_and_refusals_are_shown(self, ask: Ask, tmp_path: Path) -> None:
        request = replace(ask_of("look"), tools=({"name": "search", "parameters": {}},), tool_choice="required")
        answered = replace(
            reply_of(""),
            finish_reason="tool_calls",
            tool_calls=(ToolCall("1", "search", '{"q": 1}'),),
            reasoning="Let me look.",
            refusal="Not that.",
        )
        with SqliteCallCache(tmp_path / "calls.db") as cache:
            cache.put(request.key(), request, answered)
        said = ask("cache", "show", "", "--file", str(tmp_path / "calls.db")).out
        for words in ('calls search({"q": 1})', "Let me look.", "Not that.", 'tool_choice "required"'):
            assert words in said
        assert "search(…)" in ask("cache", "list", "--file", str(tmp_path / "calls.db")).out

    def test_a_beginning_that_several_calls_have_is_not_enough(self, ask: Ask, file: str) -> None:
        said = ask("cache", "show", "", "--file", file)
        assert said.status == 2
        assert "several calls begin so" in said.err

    def test_a_key_that_no_call_has_is_a_wrong_request(self, ask: Ask, file: str) -> None:
        said = ask("cache", "show", "0000", "--file", file)
        assert (said.status, said.out) == (2, "")
        assert "there is no such call" in said.err


class TestDrop:
    def test_a_dry_run_only_counts(self, ask: Ask, file: str) -> None:
        assert ask("cache", "drop", "--file", file, "--rule", "tweets", "--dry-run").out == "3 calls would be dropped\n"
        assert count(file) == 4

    def test_without_a_yes_nothing_goes(self, ask: Ask, file: str) -> None:
        said = ask("cache", "drop", "--file", file, "--rule", "tweets")
        assert said.status == 2
        assert "3 calls would be dropped" in said.err
        assert "--yes" in said.err
        assert count(file) == 4

    def test_with_a_yes_what_was_chosen_goes(self, ask: Ask, file: str) -> None:
        said = ask("cache", "drop", "--file", file, "--older-than", "15d", "--yes")
        assert said.out == "2 calls dropped\n"
        assert count(file) == 2

    def test_no_choice_is_not_all(self, ask: Ask, file: str) -> None:
        assert ask("cache", "drop", "--file", file, "--yes").status == 2
        assert ask("cache", "drop", "--file", file, "--yes", "--all", "--rule", "tweets").status == 2
        assert count(file) == 4
        assert ask("cache", "drop", "--file", file, "--yes", "--all").out == "4 calls dropped\n"
        assert ask("cache", "vacuum", "--file", file).status == 0
        assert count(file) == 0


class TestFiles:
    @pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
    def test_calls_go_to_another_cache(self, ask: Ask, file: str, tmp_path: Path, suffix: str) -> None:
        out = tmp_path / f"calls{suffix}"
        other = tmp_path / "other.db"
        said = ask("cache", "export", str(out), "--file", file, "--rule", "tweets")
        assert said.err == f"3 calls written to {out}\n"
        assert ask("cache", "import", str(out), "--file", str(other)).err == "3 calls added to 0\n"
        assert ask("cache", "import", str(out), "--file", str(other)).err == "0 calls added to 3\n"
        assert ask("cache", "list", "--file", str(other), "--json").out == (
            ask("cache", "list", "--file", file, "--rule", "tweets", "--json").out
        )

    def test_a_file_that_is_there_is_not_written_over(self, ask: Ask, file: str, tmp_path: Path) -> None:
        out = tmp_path / "calls.jsonl"
        out.write_text("mine")
        assert ask("cache", "export", str(out), "--file", file).status == 2
        assert out.read_text() == "mine"

    def test_another_suffix_is_a_wrong_request(self, ask: Ask, file: str, tmp_path: Path) -> None:
        assert ask("cache", "export", str(tmp_path / "calls.csv"), "--file", file).status == 2
        assert ask("cache", "import", str(tmp_path / "none.jsonl"), "--file", file).status == 2

    def test_a_tampered_file_is_failed_work(self, ask: Ask, file: str, tmp_path: Path) -> None:
        out = tmp_path / "calls.jsonl"
        ask("cache", "export", str(out), "--file", file)
        out.write_text(out.read_text().replace("whales", "sharks"))
        said = ask("cache", "import", str(out), "--home", str(tmp_path / "home"))
        assert said.status == 1
        assert "not what it says" in said.err


def test_where_there_is_no_state_it_is_not_made(ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = ask("cache", "stats")
    assert said.status == 2
    assert said.err.splitlines()[0] == "dreamsmk: there is no state of dreamsmk here"
    assert list(tmp_path.iterdir()) == []


def test_the_cache_of_a_project_is_found(ask: Ask, project: Path) -> None:
    (row,) = json.loads(ask("cache", "stats", "--json").out)["models"]
    assert (row["provider"], row["model"], row["calls"]) == ("echo", "echo", 16)


def test_another_file_may_be_named_and_must_be_there(ask: Ask, file: str, tmp_path: Path) -> None:
    assert "gpt-4o-mini" in ask("cache", "stats", "--file", file).out
    assert ask("cache", "stats", "--file", str(tmp_path / "none.db")).status == 2


def test_the_home_may_come_from_the_environment(
    ask: Ask, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DREAMSMK_HOME", str(Path(file).parent))
    assert "gpt-4o-mini" in ask("cache", "stats").out


def test_a_file_that_is_no_call_cache_is_failed_work_and_left_as_it_is(ask: Ask, tmp_path: Path) -> None:
    path = tmp_path / "calls.db"
    path.write_text("this is no database, " * 300)
    said = ask("cache", "stats", "--file", str(path))
    assert said.status == 1
    assert said.out == ""
    assert len(said.err.splitlines()) <= 3
    assert path.read_text().startswith("this is no database")


@pytest.mark.parametrize("option", ["--url", "--file"])
def test_a_password_in_a_url_is_refused_unseen(ask: Ask, option: str) -> None:
    said = ask("cache", "stats", option, "postgresql://me:hunter2@127.0.0.1:9/calls")
    assert said.status == 1
    assert "hunter2" not in said.out + said.err


def test_a_url_that_is_none_is_a_wrong_request(ask: Ask) -> None:
    assert ask("cache", "stats", "--url", "mysql://server/calls").status == 2
