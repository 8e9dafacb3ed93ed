"""The benchmark of model calls runs, at sizes that say nothing about speed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.ideal import ideal_seconds
from benchmarks.workload import is_reply_to, latency_seconds, prompts, reply_text, with_slow

ROOT = Path(__file__).resolve().parents[3]
SIZES = {"REQUESTS": "60", "CONCURRENCY": "8", "REPLAY_ROWS": "300", "STORE_ROWS": "300", "REPEATS": "1"}


def test_the_ideal_is_the_latency_over_the_places_where_all_are_alike():
    assert ideal_seconds([0.05] * 1000, 100) == pytest.approx(0.5)


def test_the_ideal_is_never_less_than_the_slowest_reply():
    assert ideal_seconds([0.05] * 10 + [1.0], 100) == pytest.approx(1.0)


def test_the_ideal_counts_a_slow_reply_from_when_it_could_be_sent():
    assert ideal_seconds([0.05] * 4 + [1.0], 2) == pytest.approx(1.1)


def test_the_ideal_counts_what_a_request_costs_beside_its_latency():
    assert ideal_seconds([0.05] * 100, 100, pace_seconds=0.01) == pytest.approx(99 * 0.01 + 0.05)


def test_one_prompt_in_a_hundred_is_slow_and_all_are_distinct():
    asked = with_slow(list(prompts(1000)))
    assert len(set(asked)) == 1000
    assert sum(latency_seconds(prompt) == 1.0 for prompt in asked) == 10


def test_a_reply_of_another_row_is_told_from_the_right_one():
    one, other = prompts(2)
    assert is_reply_to(one, reply_text(0))
    assert not is_reply_to(other, reply_text(0))
    assert not is_reply_to(one, None)


def test_every_part_runs_without_any_peer_installed(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.calls", "rate", "replay", "stores"],
        cwd=ROOT,
        env={**os.environ, **SIZES, "PEERS": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert "WRONG" not in done.stdout
    # Limits may be missed at such sizes; each is told nonetheless.
    for name in ("share of bare aiohttp", "all cached, rows/s", "all cached, peak memory", "cache writes, rows/s"):
        assert name in done.stdout, done.stdout + done.stderr
    assert done.stdout.count("not installed") == 13
