"""The models of a job: each opened when its task first asks for it, all closed when the task has ended.

Contract: a job that asks no model opens no call cache. All of a job's models share its cache, its budgets and its table
of failed rows, and with the other jobs of the home the rates and the budget of the workflow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dreamsmk.calls import CachedModel, FailureTable, Replies, in_mode, open_cache
from dreamsmk.calls.bounds.budget import Budget, Purse
from dreamsmk.calls.bounds.limits_file import LimitsFile
from dreamsmk.errors import ProviderError
from dreamsmk.smk.checks import cache_mode
from dreamsmk.smk.identify import Identified, spec_of

if TYPE_CHECKING:
    from dreamsmk.smk.job import Job
    from dreamsmk.smk.progress import JobProgress


class JobModels:
    """The models of one job: `with JobModels(job, identified, progress) as models: models("teacher")`.

    Attributes:
        opened: The models that were asked for, by alias.
        failures: The table of the rows that failed, beside the job's log.
    """

    def __init__(self, job: Job, identified: Identified, progress: JobProgress) -> None:
        self.opened: dict[str, CachedModel] = {}
        home, log = job.binding.home, job.log
        self.failures = FailureTable(
            home.failures(identified.fingerprint) if log is None else log.with_suffix(".failures.parquet")
        )
        self._job = job
        self._identified = identified
        self._progress = progress
        self._limits = LimitsFile(home.limits)
        self._purses = list(self._open_purses())
        self._replies: Replies | None = None
        self._open = contextlib.ExitStack()

    def __call__(self, alias: str) -> CachedModel:
        """Returns the model of an alias."""
        if alias not in self.opened:
            job = self._job
            self.opened[alias] = CachedModel(
                alias,
                spec_of(alias, job.binding.settings),
                self._identified.identities[alias],
                self._cache(),
                self._progress,
                rule=job.rule,
                failures=self.failures,
                batches=job.binding.home.batches,
                limits=self._limits,
                purses=self._purses,
            )
            self._open.callback(self.opened[alias].close)
        return self.opened[alias]

    def __enter__(self) -> Self:
        self._open.enter_context(self.failures)
        self._open.callback(self._limits.close)
        for purse in self._purses:
            self._open.callback(purse.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, ProviderError) and self.failures.rows:
            told = f"all {self.failures.rows:,} failed rows are in {self.failures.path}"
            error.hint = "; ".join(filter(None, (error.hint, told)))
        self._open.close()

    def _cache(self) -> Replies:
        if self._replies is None:
            job, settings = self._job, self._job.binding.settings
            opened = self._open.enter_context(open_cache(job.binding.calls))
            self._replies = in_mode(opened, cache_mode(job.params, settings), since=job.replies_since)
        return self._replies

    def _open_purses(self) -> Iterator[Purse]:
        own = Budget.of(self._job.params.get("budget"))
        if own is not None:
            yield Purse(own, "job")
        shared = Budget.of(self._job.binding.settings.budget)
        if shared is not None:
            yield Purse(shared, "workflow", self._limits)
