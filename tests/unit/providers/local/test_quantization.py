"""The schemes that run without a GPU are run; of the others, that they say so in time."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from dreamsmk.errors import SettingsError
from dreamsmk.providers.local.loading import load_model
from dreamsmk.providers.local.quantization import CUDA_ONLY, QUANTIZATIONS
from dreamsmk.providers.transformers import TransformersProvider
from dreamsmk.settings import ModelSpec
from tests.tiny.fixed import fixed_request
from tests.wire.asking import ask

KINDS = {"torchao-int8": "Int8Tensor", "torchao-float8": "Float8Tensor"}


@pytest.mark.parametrize("scheme", KINDS)
def test_a_scheme_for_every_device_stores_linear_layers_in_a_byte_a_weight(scheme: str, spec: ModelSpec) -> None:
    quantized = dataclasses.replace(spec, quantization=scheme)
    TransformersProvider.check(quantized)
    weight = load_model(quantized).model.model.layers[0].mlp.up_proj.weight
    assert type(weight).__name__ == KINDS[scheme]
    assert weight.qdata.element_size() == 1


@pytest.mark.parametrize("scheme", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_quantized_model_answers_and_its_samples_come_again(scheme: str, dtype: str, spec: ModelSpec) -> None:
    quantized = dataclasses.replace(spec, quantization=scheme, dtype=dtype, batch_size=1)
    requests = [fixed_request(spec, "the of and", max_tokens=12, temperature=1.0, sample=n) for n in range(3)]
    first, again = ([reply.text for reply in ask(TransformersProvider(quantized), *requests)] for _ in range(2))
    assert first == again
    assert len(set(first)) == 3


def test_a_quantized_row_is_the_same_in_any_batch(spec: ModelSpec) -> None:
    quantized = dataclasses.replace(spec, quantization="torchao-int8")
    requests = [fixed_request(spec, "the of " * n, max_tokens=8, temperature=1.0) for n in range(1, 6)]
    provider = TransformersProvider(quantized)
    together = [reply.text for reply in ask(provider, *requests)]
    assert together == [ask(provider, each)[0].text for each in requests]


@pytest.mark.parametrize("scheme", [scheme for scheme in CUDA_ONLY if scheme.startswith("torchao")])
def test_a_scheme_for_gpus_says_so_before_any_model_is_loaded(scheme: str, spec: ModelSpec) -> None:
    elsewhere = dataclasses.replace(spec, quantization=scheme, model="/nowhere")
    with pytest.raises(SettingsError, match="needs a CUDA GPU, and the device is 'cpu'"):
        TransformersProvider.check(elsewhere)
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SettingsError, match="needs a CUDA GPU"):
        load_model(dataclasses.replace(elsewhere, device=None))


def test_int4_computes_in_bfloat16_alone(spec: ModelSpec) -> None:
    with pytest.raises(SettingsError, match="bfloat16 only"):
        TransformersProvider.check(
            dataclasses.replace(spec, quantization="torchao-int4", device="cuda", dtype="float16")
        )


def test_a_scheme_that_there_is_not_is_told_with_the_nearest(spec: ModelSpec) -> None:
    with pytest.raises(SettingsError, match="torchao-int8"):
        TransformersProvider.check(dataclasses.replace(spec, quantization="torchao-int88"))
    with pytest.raises(SettingsError) as caught:
        TransformersProvider.check(dataclasses.replace(spec, quantization="zzz"))
    assert all(scheme in caught.value.hint for scheme in QUANTIZATIONS)
