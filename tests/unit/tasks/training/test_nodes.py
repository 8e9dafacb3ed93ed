"""A training on two nodes of a real SLURM cluster, with one worker on each."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import polars as pl
import pytest

from tests.slurm import Cluster, is_installed
from tests.unit.tasks.training.job import Job, make_rows

REPOSITORY = Path(__file__).parents[4]
STEPS = {"max_steps": 4, "batch_size": 4}
TRAIN = """
import json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[3])
from tests.unit.tasks.training.job import Job, make_rows
job = Job(Path(sys.argv[1]), sys.argv[2])
facts = job.run(make_rows(12), **json.loads(sys.argv[4]))
print(json.dumps([facts["processes"], facts["nodes"], job.progress.notes]))
"""


@pytest.mark.skipif(not is_installed(), reason="SLURM is not installed")
def test_two_nodes_learn_what_one_process_learns(tmp_path, tiny_model, monkeypatch):
    one = Job(tmp_path / "one", tiny_model)
    one.run(make_rows(12), **STEPS)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, Cluster(Path(folder) / "c") as cluster:
        arguments = [str(tmp_path / "two"), str(tiny_model), str(REPOSITORY), json.dumps(STEPS)]
        # a step of one task, as Snakemake's executor for SLURM starts its jobs
        step = ["srun", "--nodes=1", "--ntasks=1", "--cpu-bind=none"]
        done = cluster.run(*step, sys.executable, "-c", TRAIN, *arguments, nodes=2)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    told = next(json.loads(line) for line in done.stdout.splitlines() if line.startswith("[2,"))
    assert told == [2, 2, ["training in 2 processes on 2 nodes"]]
    found = pl.read_parquet(tmp_path / "two" / "model" / "history.parquet")["loss"].to_list()
    assert found == pytest.approx(pl.read_parquet(one.output / "history.parquet")["loss"].to_list(), abs=1e-4)
