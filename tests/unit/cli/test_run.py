"""Exit statuses, streams and messages of the command line as a whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import dreamsmk
from dreamsmk.cli.run import COMMANDS
from tests.unit.cli.conftest import ROOT, Ask

LISTINGS = (
    ["rules"],
    ["rules", "split"],
    ["cache", "stats"],
    ["explain", "results/tweets.parquet"],
    ["card", "results/tweets.parquet"],
)


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "dreamsmk.cli", *words]


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **changes}


def test_without_a_command_the_help_is_shown_and_the_request_was_wrong(ask: Ask) -> None:
    said = ask()
    assert said.status == 2
    assert said.out == ""
    assert "dreamsmk init my-paper" in said.err


def test_help_and_version_are_data(ask: Ask) -> None:
    help_text = ask("--help")
    assert (help_text.status, help_text.err) == (0, "")
    for module in COMMANDS:
        assert module.__name__.rpartition(".")[2] in help_text.out
    version = ask("--version")
    assert (version.status, version.out) == (0, f"dreamsmk {dreamsmk.__version__}\n")


@pytest.mark.parametrize("name", [module.__name__.rpartition(".")[2] for module in COMMANDS])
def test_every_command_says_what_it_does(ask: Ask, name: str) -> None:
    said = ask(name, "--help")
    assert said.status == 0
    usage, _, rest = said.out.partition("\n\n")
    assert usage.startswith(f"usage: dreamsmk {name}")
    assert rest.split("\n\n")[0].strip().endswith(".")


def test_an_unknown_command_is_answered_with_the_nearest(ask: Ask) -> None:
    said = ask("explian", "results/tweets.parquet")
    assert said.status == 2
    assert said.out == ""
    assert said.err == "dreamsmk: there is no command 'explian'\nhint: did you mean 'explain'?\n"


@pytest.mark.parametrize("words", [["explain"], ["rules", "--jsn"], ["cache"], ["card", "a", "b"]])
def test_a_wrong_argument_is_a_wrong_request(ask: Ask, words: list[str]) -> None:
    said = ask(*words)
    assert said.status == 2
    assert said.out == ""
    assert f"usage: dreamsmk {words[0]}" in said.err


@pytest.mark.parametrize("words", LISTINGS, ids=" ".join)
def test_every_listing_has_json_and_says_nothing_else(ask: Ask, project: Path, words: list[str]) -> None:
    said = ask(*words, "--json")
    assert (said.status, said.err) == (0, "")
    assert json.loads(said.out)


@pytest.mark.parametrize("words", LISTINGS, ids=" ".join)
def test_without_a_terminal_there_is_no_colour_and_one_line_break_at_the_end(
    ask: Ask, project: Path, words: list[str]
) -> None:
    said = ask(*words)
    assert (said.status, said.err) == (0, "")
    assert "\x1b" not in said.out
    assert said.out.endswith("\n")
    assert not said.out.endswith("\n\n")


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen(
        command("rules", "--json"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 0


def test_a_terminal_that_knows_only_ascii_gets_no_trace(made: Path) -> None:
    words = ("explain", "results/tweets.parquet")
    done = subprocess.run(
        command(*words), cwd=made, env=environment(PYTHONIOENCODING="ascii"), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"results/abstracts.parquet" in done.stdout


def test_nothing_heavy_is_loaded_to_say_what_there_is() -> None:
    heavy = "{'torch', 'transformers', 'polars', 'openai', 'anthropic', 'jsonschema', 'datasets'}"
    code = f"import sys; from dreamsmk.cli import main; main(['rules']); print(sorted(set(sys.modules) & {heavy}))"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
