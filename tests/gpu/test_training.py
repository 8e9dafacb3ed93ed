"""Trainings on CUDA devices; those of several devices run where there are two."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from dreamsmk.tasks.training.frame.quiet import quiet_libraries
from tests.tiny import make_tiny_model
from tests.unit.tasks.training.job import Job, Recorder, make_rows
from tests.unit.tasks.training.test_devices import losses, weights
from tests.unit.tasks.training.test_sharding import Stopped, stop_at

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA GPU"),
]
PAIRS = pl.DataFrame({"prompt": ["the", "of"] * 8, "chosen": ["to be", "not he"] * 8, "rejected": ["or", "and"] * 8})
TABLES = {
    "fine_tune": (make_rows(16), {"inputs": "question", "outputs": "answer"}),
    "dpo": (PAIRS, {"prompts": "prompt", "chosen": "chosen", "rejected": "rejected"}),
}
GIVEN = {"max_steps": 8, "batch_size": 4}


def installed(package: str) -> Any:
    return pytest.mark.skipif(importlib.util.find_spec(package) is None, reason=f"{package} is not installed")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = make_tiny_model(tmp_path_factory.mktemp("models") / "tiny")
    return folder


@pytest.fixture(autouse=True)
def one_device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job of one GPU, where the test does not ask for all."""
    if "devices" not in request.keywords:
        monkeypatch.setattr("dreamsmk.tasks.training.frame.launch.gpu_count", lambda: 1)


WAYS: dict[str, dict[str, Any]] = {
    "fp32": {"precision": "fp32"},
    "bf16": {"precision": "bf16"},
    "fp16": {"precision": "fp16"},
    "full": {"precision": "bf16", "lora": None},
    "checkpointed": {"gradient_checkpointing": True},
    "packed": {"packing": True, "max_length": 128, "attention": "sdpa"},
}


@pytest.mark.parametrize("way", WAYS)
def test_a_training_learns_and_leaves_a_folder_that_loads(way: str, model: Path, tmp_path: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    job = Job(tmp_path / "job", model)
    facts = job.run(make_rows(16), make_rows(4), **{**GIVEN, **WAYS[way]})
    assert facts["final_loss"] < facts["first_loss"]
    is_adapter = (job.output / "adapter_config.json").is_file()
    with quiet_libraries():
        loaded = AutoModelForCausalLM.from_pretrained(model if is_adapter else job.output)
        loaded = PeftModel.from_pretrained(loaded, job.output) if is_adapter else loaded
    assert all(tensor.isfinite().all() for tensor in loaded.parameters())


@pytest.mark.parametrize(
    "scheme",
    [
        pytest.param("bnb-4bit", marks=installed("bitsandbytes")),
        pytest.param("bnb-8bit", marks=installed("bitsandbytes")),
        pytest.param("torchao-int8", marks=installed("torchao")),
    ],
)
def test_a_quantized_base_learns_an_adapter(scheme: str, model: Path, tmp_path: Path) -> None:
    facts = Job(tmp_path / "job", model).run(make_rows(16), **GIVEN, quantization=scheme)
    assert facts["final_loss"] < facts["first_loss"]


@installed("liger_kernel")
def test_liger_kernels_learn(model: Path, tmp_path: Path) -> None:
    facts = Job(tmp_path / "job", model).run(make_rows(16), **GIVEN, liger=True)
    assert facts["final_loss"] < facts["first_loss"]


@pytest.mark.parametrize("rule", TABLES)
def test_a_stopped_training_ends_as_an_unbroken_one(rule: str, model: Path, tmp_path: Path) -> None:
    rows, given = TABLES[rule]
    params = {**GIVEN, "save_steps": 2}
    unbroken = Job(tmp_path / "unbroken", model, rule=rule, given=given)
    unbroken.run(rows, **params)
    job = Job(tmp_path / "job", model, rule=rule, given=given, progress=Recorder(at_step=stop_at(5)))
    with pytest.raises(Stopped):
        job.run(rows, **params)
    job.progress = Recorder()
    assert job.run(rows, **params)["steps_before_resuming"] == 4
    assert losses(job) == losses(unbroken)
    assert all(tensor.equal(weights(unbroken)[name]) for name, tensor in weights(job).items())


@pytest.mark.devices
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="there is one GPU at most")
@pytest.mark.parametrize("sharding", ["ddp", "fsdp"])
@pytest.mark.parametrize("lora", [{"r": 4, "dropout": 0.0}, None], ids=["lora", "full"])
def test_all_devices_learn_what_one_learns(
    sharding: str, lora: Any, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = torch.cuda.device_count()
    params = {"max_steps": 8, "batch_size": 4 * devices, "precision": "fp32", "lora": lora}
    several = Job(tmp_path / "several", model)
    assert several.run(make_rows(64), **params, sharding=sharding)["processes"] == devices
    monkeypatch.setattr("dreamsmk.tasks.training.frame.launch.gpu_count", lambda: 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    one = Job(tmp_path / "one", model)
    one.run(make_rows(64), **params)
    assert losses(several) == pytest.approx(losses(one), abs=1e-2)
