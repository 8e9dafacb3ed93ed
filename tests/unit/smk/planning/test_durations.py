"""GPU hours come from the latest job of the same task and models that ran on a GPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dreamsmk.hashing import DigestMemo
from dreamsmk.settings import ModelSpec
from dreamsmk.smk.planning.durations import Durations
from dreamsmk.store import Home, Records

SPEC = ModelSpec(provider="transformers", model="org/model")


def durations(folder: Path, *records: dict[str, Any]) -> Durations:
    home = Home(folder)
    kept = Records(home, DigestMemo(home.digests))
    for number, values in enumerate(records):
        record = {
            "record_version": 1,
            "fingerprint": f"xxh3:{number:032x}",
            "task": {"name": "fine_tune"},
            "models": {"student": {"spec": {"model": "org/model"}, "calls": {}}},
            "inputs": {"train": [{"rows": 100}]},
            "outputs": {},
            "duration_seconds": 7200.0,
            "finished_at": f"2026-01-0{number + 1}T00:00:00+00:00",
            "environment": {"gpus": ["a GPU"]},
        }
        kept.write({**record, **values})
    return Durations(home, kept)


def test_time_grows_with_the_rows(tmp_path: Path) -> None:
    known = durations(tmp_path, {"duration_seconds": 1.0}, {})
    assert known.gpu_hours("fine_tune", [SPEC], gpus=1, calls=None, rows=50) == pytest.approx(1.0)
    assert known.gpu_hours("fine_tune", [SPEC], gpus=2, calls=None, rows=100) == pytest.approx(4.0)


def test_time_grows_with_the_calls(tmp_path: Path) -> None:
    models = {"student": {"spec": {"model": "org/model"}, "calls": {"sent": 10}}}
    known = durations(tmp_path, {"task": {"name": "process_with_prompt"}, "models": models})
    assert known.gpu_hours("process_with_prompt", [SPEC], gpus=1, calls=5, rows=7) == pytest.approx(1.0)


@pytest.mark.parametrize("change", [{"environment": {"gpus": []}}, {"task": {"name": "other"}}])
def test_without_such_a_job_nothing_is_known(tmp_path: Path, change: dict[str, Any]) -> None:
    assert durations(tmp_path, change).gpu_hours("fine_tune", [SPEC], gpus=1, calls=None, rows=50) is None


def test_another_model_and_a_job_without_a_gpu_tell_nothing(tmp_path: Path) -> None:
    other = ModelSpec(provider="transformers", model="org/other")
    assert durations(tmp_path, {}).gpu_hours("fine_tune", [other], gpus=1, calls=None, rows=50) is None
    assert durations(tmp_path, {}).gpu_hours("fine_tune", [SPEC], gpus=0, calls=None, rows=50) is None
