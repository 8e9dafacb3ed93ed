from __future__ import annotations

import dataclasses
import importlib.util
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from dreamsmk.errors import MissingExtra, RequestRejected, SettingsError
from dreamsmk.providers.vllm import VllmProvider
from dreamsmk.providers.vllm_arguments import (
    engine_arguments,
    lora_rank,
    sampling_arguments,
    told_logprobs,
)
from dreamsmk.providers.vllm_engine import Engine, Words, start_engine
from dreamsmk.requests import Response
from dreamsmk.settings import ModelSpec
from tests.tiny.asking import local_request

SPEC = ModelSpec(provider="vllm", model="org/name", revision="abc")
has_vllm = importlib.util.find_spec("vllm") is not None


class Failure(Exception):
    """What the stand-in raises."""


@dataclass
class Params:
    """Takes what `vllm.SamplingParams` takes."""

    given: dict[str, Any]

    def __init__(self, **given: Any) -> None:
        if given["temperature"] > 2:
            raise Failure("temperature must be in [0, 2]")
        self.given = given


@dataclass
class Output:
    request_id: str
    outputs: list[Any]
    prompt_token_ids: list[int]
    finished: bool = True
    num_cached_tokens: int | None = None


@dataclass
class Written:
    text: str
    token_ids: list[int]
    finish_reason: str = "stop"
    logprobs: list[Any] | None = None


@dataclass
class StandIn:
    """Stands in for `vllm.LLM`, which runs on GPUs alone: answers the last request first, one a step."""

    reasons: dict[int, str] = field(default_factory=dict)
    dies_after: int = 99

    def __post_init__(self) -> None:
        self.llm_engine = self
        self.counter = itertools.count(7)
        self.queue: list[tuple[str, list[int], Params]] = []
        self.aborted: list[str] = []
        self.steps = 0

    def enqueue(self, prompts: list[dict[str, Any]], params: Params, *, lora_request: Any, use_tqdm: bool) -> list[str]:
        ids = str(next(self.counter))
        self.queue.append((ids, prompts[0]["prompt_token_ids"], params))
        return [f"{ids}-0a1b2c3d"]

    def step(self) -> list[Output]:
        self.steps += 1
        if self.steps > self.dies_after:
            raise Failure("out of memory")
        ids, tokens, _ = self.queue.pop()
        reason = self.reasons.get(tokens[0], "stop")
        running = [Output(each[0], [], each[1], finished=False) for each in self.queue]
        return [*running, Output(ids, [Written(f"reply to {tokens[0]}", [1, 2, 3], reason)], tokens)]

    def abort_request(self, ids: list[str]) -> None:
        self.aborted.extend(ids)


def asked(*temperatures: float) -> dict[int, tuple[Any, list[int]]]:
    return {
        index: (local_request(SPEC, str(index), temperature=temperature), [10 + index, 5])
        for index, temperature in enumerate(temperatures)
    }


def engine(llm: StandIn) -> Engine:
    return Engine(llm, Words(Params, Params, Failure), fingerprint="vllm 0")


class TestEngine:
    def test_every_request_gets_its_own_reply_as_soon_as_it_is_done(self) -> None:
        llm = StandIn()
        replies = engine(llm).answers(asked(0, 1, 1))
        assert next(replies)[0] == 2
        assert llm.steps == 1
        rest = dict(replies)
        assert {index: reply.text for index, reply in rest.items()} == {0: "reply to 10", 1: "reply to 11"}
        assert rest[0].usage.input_tokens == 2
        assert rest[0].usage.output_tokens == 3
        assert llm.aborted == []

    def test_a_request_that_it_does_not_take_is_refused_alone(self) -> None:
        replies = dict(engine(StandIn()).answers(asked(0, 3, 1)))
        assert [type(replies[index]) for index in range(3)] == [Response, RequestRejected, Response]
        assert "temperature must be in" in str(replies[1])

    def test_a_reply_that_was_ended_from_outside_is_no_reply(self) -> None:
        replies = dict(engine(StandIn(reasons={11: "abort"})).answers(asked(0, 0)))
        assert isinstance(replies[0], Response)
        assert "'abort'" in str(replies[1])

    def test_what_nobody_waits_for_any_more_is_taken_back(self) -> None:
        llm = StandIn()
        replies: Iterator[Any] = engine(llm).answers(asked(0, 0, 0))
        next(replies)
        replies.close()  # type: ignore[attr-defined]
        assert sorted(llm.aborted) == ["7", "8"]

    def test_an_engine_that_died_says_so(self) -> None:
        running = engine(StandIn(dies_after=1))
        replies = running.answers(asked(0, 0))
        next(replies)
        with pytest.raises(RequestRejected, match="vLLM stopped: out of memory"):
            next(replies)
        assert running.is_dead


class TestArguments:
    def test_a_model_is_split_over_all_gpus_of_the_job(self) -> None:
        arguments = engine_arguments(SPEC, device_count=4, adapter=None)
        assert arguments["tensor_parallel_size"] == 4
        assert (arguments["model"], arguments["revision"], arguments["dtype"]) == ("org/name", "abc", "auto")
        two = dataclasses.replace(SPEC, options={"pipeline_parallel_size": 2, "max_model_len": 99})
        arguments = engine_arguments(two, device_count=4, adapter=None)
        assert (arguments["tensor_parallel_size"], arguments["pipeline_parallel_size"]) == (2, 2)
        assert arguments["max_model_len"] == 99
        one = dataclasses.replace(SPEC, options={"tensor_parallel_size": 1})
        assert engine_arguments(one, device_count=4, adapter=None)["tensor_parallel_size"] == 1

    def test_an_adapter_brings_its_rank_and_its_tokenizer(self, tmp_path: Path) -> None:
        (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 12, "rank_pattern": {"q": 20}}))
        arguments = engine_arguments(SPEC, device_count=1, adapter=tmp_path)
        assert (arguments["enable_lora"], arguments["max_lora_rank"]) == (True, 32)
        assert "tokenizer" not in arguments
        (tmp_path / "tokenizer_config.json").write_text("{}")
        arguments = engine_arguments(SPEC, device_count=1, adapter=tmp_path)
        assert (arguments["tokenizer"], arguments["tokenizer_revision"]) == (str(tmp_path), None)

    def test_what_is_no_adapter_for_vllm_is_rejected(self, tmp_path: Path) -> None:
        with pytest.raises(RequestRejected, match="no LoRA adapter"):
            lora_rank(tmp_path)
        (tmp_path / "adapter_config.json").write_text(json.dumps({"r": 1024}))
        with pytest.raises(RequestRejected, match="rank 1024"):
            lora_rank(tmp_path)

    def test_what_is_not_given_is_off(self) -> None:
        arguments = sampling_arguments(local_request(SPEC))
        assert arguments["temperature"] == 0
        assert (arguments["top_p"], arguments["top_k"], arguments["min_p"]) == (1.0, 0, 0.0)
        assert (arguments["max_tokens"], arguments["stop"], arguments["logprobs"]) == (None, [], None)

    def test_every_value_is_handed_on(self) -> None:
        values: dict[str, Any] = {
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 3,
            "min_p": 0.1,
            "presence_penalty": 0.2,
            "frequency_penalty": 0.3,
            "repetition_penalty": 1.1,
            "max_tokens": 7,
            "logprobs": 2,
        }
        arguments = sampling_arguments(local_request(SPEC, stop=("a", "b"), **values))
        assert {name: arguments[name] for name in values} == values
        assert arguments["stop"] == ["a", "b"]

    def test_the_seed_comes_from_the_request_alone(self) -> None:
        requests = [local_request(SPEC, temperature=1.0, sample=n % 2) for n in range(4)]
        seeds = [sampling_arguments(request)["seed"] for request in requests]
        assert seeds[:2] == seeds[2:]
        assert seeds[0] != seeds[1]
        assert all(0 <= seed < 2**63 for seed in seeds)

    def test_a_temperature_that_vllm_would_change_is_rejected(self) -> None:
        with pytest.raises(RequestRejected, match=r"between 0 and 0\.01"):
            sampling_arguments(local_request(SPEC, temperature=0.001))

    def test_log_probabilities_are_told_of_the_tokens_of_the_text(self) -> None:
        @dataclass
        class Known:
            logprob: float
            rank: int
            decoded_token: str

        positions = [
            {4: Known(-0.5, 2, "to"), 5: Known(-0.1, 1, "so")},
            {6: Known(-0.2, 1, " be")},
            {9: Known(-0.3, 1, "")},
        ]
        told = told_logprobs([4, 6, 9], positions, count=1, text="to be")
        assert [one["token"] for one in told] == ["to", " be"]
        assert told[0] == {"token": "to", "logprob": -0.5, "top": [{"token": "so", "logprob": -0.1}]}


class TestSpecs:
    @pytest.mark.parametrize(
        ("values", "words"),
        [
            ({"options": {"gpu_memory": 0.5}}, "did you mean 'gpu_memory_utilization'"),
            ({"options": {"gpu_memory_utilization": "half"}}, "must be a number"),
            ({"options": {"max_model_len": True}}, "must be a whole number"),
            ({"device": "cpu"}, "takes all GPUs"),
            ({"devices": ("cuda:0", "cuda:1")}, "takes all GPUs"),
            ({"api": "responses"}, "has no api"),
        ],
    )
    def test_wrong_specs_are_found_before_anything_is_loaded(self, values: dict, words: str) -> None:
        with pytest.raises(SettingsError, match=words):
            VllmProvider.check(dataclasses.replace(SPEC, **values))

    @pytest.mark.skipif(has_vllm, reason="vLLM is installed")
    def test_a_missing_package_is_named_with_its_extra(self) -> None:
        with pytest.raises(MissingExtra, match=r"dreamsmk\[vllm\]"):
            VllmProvider.check(SPEC)

    def test_a_folder_that_is_not_there_is_told_before_vllm_is_imported(self, tmp_path: Path) -> None:
        with pytest.raises(RequestRejected, match="is not there"):
            start_engine(dataclasses.replace(SPEC, model=str(tmp_path / "nowhere")))
