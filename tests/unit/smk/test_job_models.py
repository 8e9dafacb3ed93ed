"""The models of a job: what they share, and what is opened when."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from dreamsmk.calls import SqliteCallCache
from dreamsmk.errors import BudgetSpent, OfflineMiss, ProviderError
from dreamsmk.requests import Failure, Response
from dreamsmk.smk.binding import Binding
from dreamsmk.smk.identify import identify
from dreamsmk.smk.job import Job
from dreamsmk.smk.job_models import JobModels
from dreamsmk.smk.progress import JobProgress

TEACHER: dict[str, Any] = {"provider": "echo", "model": "echo", "max_tokens": 10, "options": {"fail_on": "poison"}}


@pytest.fixture
def folder(project: Path) -> Path:
    """A project's folder, which is the working directory, with a table."""
    (project / "in.csv").write_text("text\na\n")
    return project


def models_of(*, log: str | None = "logs/tweets.log", config: dict[str, Any] | None = None, **params: Any) -> JobModels:
    binding = Binding({"models": {"teacher": TEACHER}, **(config or {})}, "process_with_prompt")
    given = binding.params({"model": "teacher", "inputs": "text", "instruction": "Write.", **params}, where="tweets")
    job = Job(
        rule="tweets",
        binding=binding,
        params=given,
        inputs={"table": [Path("in.csv")]},
        targets={"table": Path("out.parquet")},
        threads=1,
        resources={},
        log=None if log is None else Path(log),
    )
    identified = identify(
        binding.meta, given, job.inputs, outputs=job.targets, settings=binding.settings, memo=binding.memo
    )
    return JobModels(job, identified, JobProgress("tweets", io.StringIO(), None))


def ask(models: JobModels, *prompts: str, **how: Any) -> list[Response | Failure]:
    with models:
        teacher = models("teacher")
        return list(teacher.outcomes(teacher.requests(prompts), **how))


def test_nothing_is_opened_before_a_model_is_asked_for(folder: Path) -> None:
    with models_of():
        pass
    assert not (folder / ".dreamsmk/calls.db").exists()
    assert not (folder / ".dreamsmk/limits.db").exists()
    ask(models_of(), "a")
    assert (folder / ".dreamsmk/calls.db").exists()


def test_an_alias_is_one_model_in_a_job(folder: Path) -> None:
    with models_of() as models:
        assert models("teacher") is models("teacher")
        assert list(models.opened) == ["teacher"]


def test_rows_that_fail_stand_beside_the_log_and_the_error_says_where(folder: Path) -> None:
    with pytest.raises(ProviderError) as caught:
        ask(models_of(), "a", "poison")
    assert caught.value.hint.endswith("; all 1 failed rows are in logs/tweets.failures.parquet")
    assert pl.read_parquet("logs/tweets.failures.parquet")["kind"].to_list() == ["rejected"]
    ask(models_of(), "a", "poison", max_failures=1)
    assert Path("logs/tweets.failures.parquet").exists()
    ask(models_of(), "a")
    assert not Path("logs/tweets.failures.parquet").exists(), "that of an earlier run would be taken for this one's"


def test_without_a_log_they_stand_in_the_home(folder: Path) -> None:
    ask(models_of(log=None), "poison", max_failures=1)
    (path,) = (folder / ".dreamsmk/failures").iterdir()
    assert pl.read_parquet(path).height == 1


def test_a_rule_s_budget_is_for_one_job_and_the_config_s_for_all(folder: Path) -> None:
    with pytest.raises(BudgetSpent, match="budget of the job"):
        ask(models_of(budget={"tokens": 5}), "a")
    ask(models_of(budget={"tokens": 40}), "a b c")
    ask(models_of(budget={"tokens": 40}), "d e f")
    shared = {"budget": {"tokens": 20}}
    ask(models_of(config=shared), "one two three")
    with pytest.raises(BudgetSpent, match="budget of the workflow"):
        ask(models_of(config=shared), "four five six")
    ask(models_of(config=shared), "one two three")


@pytest.mark.parametrize("how", [{"cache": "offline"}, {"config": {"offline": True}, "cache": "write"}])
def test_offline_only_what_is_stored_is_answered(folder: Path, how: dict[str, Any]) -> None:
    ask(models_of(), "a")
    assert len(ask(models_of(**how), "a")) == 1
    with pytest.raises(OfflineMiss, match="offline"):
        ask(models_of(**how), "b", max_failures=9)


def test_what_is_not_to_be_kept_is_not(folder: Path) -> None:
    ask(models_of(cache="read"), "a")
    ask(models_of(cache="off"), "b")
    with SqliteCallCache(folder / ".dreamsmk/calls.db") as cache:
        assert cache.stats() == []
