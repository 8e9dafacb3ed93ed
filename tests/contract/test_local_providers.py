"""What every local model keeps, whatever it gives: texts, vectors or labels."""

from __future__ import annotations

import dataclasses
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from dreamsmk.errors import MissingExtra, RequestRejected, SettingsError
from dreamsmk.providers import LocalProvider, open_provider, provider_class, resolve_identity
from dreamsmk.providers.replies import FINISH_REASONS
from dreamsmk.requests import Request, Response
from dreamsmk.settings import ModelSpec
from tests.tiny import make_tiny_model
from tests.tiny.asking import ask_local, local_request
from tests.tiny.encoders import make_tiny_classifier, make_tiny_encoder
from tests.tiny.gguf import write_gguf

ROOT = Path(__file__).parents[2]
PROMPTS = ["the of and", "it is", "they were all there", "so be it"]
WANTED = {"classifier": "labels", "llamacpp": None, "sentence_transformers": "embedding"}
LOCAL = [*WANTED, "vllm"]
HEAVY = {"torch", "transformers", "sentence_transformers", "llama_cpp", "vllm", "peft", "numpy", "polars"}


@dataclass(frozen=True)
class Case:
    """A provider under test; `shared` is opened once for the whole file."""

    spec: ModelSpec
    shared: LocalProvider

    def open(self) -> LocalProvider:
        provider = open_provider(self.spec)
        assert isinstance(provider, LocalProvider)
        return provider

    def request(self, prompt: str = "the of and", **values) -> Request:
        return local_request(self.spec, prompt, wanted=WANTED[self.spec.provider], **values)

    def ask(self, *requests: Request) -> list[Response]:
        return ask_local(self.shared, *requests)


def given(reply: Response) -> object:
    return reply.embedding or reply.labels or reply.text


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "classifier": make_tiny_classifier(folder / "classifier"),
        "llamacpp": write_gguf(folder / "tiny.gguf", make_tiny_model(folder / "tiny")),
        "sentence_transformers": make_tiny_encoder(folder / "encoder"),
    }


@pytest.fixture(scope="module", params=sorted(WANTED))
def case(request: pytest.FixtureRequest, models: dict[str, Path]) -> Iterator[Case]:
    name = request.param
    if name == "llamacpp" and importlib.util.find_spec("llama_cpp") is None:
        pytest.skip("llama-cpp-python is not installed: it is built from source")
    # one thread: with two, tiny work on busy cores is mostly waiting
    values = {"max_tokens": 8, "options": {"n_threads": 1}} if name == "llamacpp" else {}
    spec = ModelSpec(provider=name, model=str(models[name]), device="cpu", batch_size=2, **values)
    shared = open_provider(spec)
    assert isinstance(shared, LocalProvider)
    yield Case(spec, shared)
    shared.close()


def test_what_they_are_is_told_without_a_heavy_library() -> None:
    code = (
        "import sys; from dreamsmk.providers import open_provider; from dreamsmk.settings import ModelSpec\n"
        f"for name in {LOCAL!r}: open_provider(ModelSpec(provider=name, model='m')).close()\n"
        f"print(sorted(set(sys.modules) & {HEAVY!r}))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")


@pytest.mark.parametrize("name", LOCAL)
def test_they_say_that_they_run_here_and_take_no_key(name: str) -> None:
    capabilities = provider_class(name).capabilities
    assert capabilities.is_local
    assert not capabilities.needs_key
    assert not capabilities.has_batch
    assert capabilities.wanted == {WANTED.get(name) or "text"}


@pytest.mark.parametrize("name", LOCAL)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(name: str) -> None:
    packages = {"llamacpp": "llama_cpp", "vllm": "vllm"}
    if name not in packages or importlib.util.find_spec(packages[name]) is not None:
        pytest.skip("its packages are installed")
    with pytest.raises(MissingExtra, match=rf"dreamsmk\[{name}\]"):
        provider_class(name).check(ModelSpec(provider=name, model="model.gguf"))


@pytest.mark.parametrize("name", LOCAL)
def test_a_sampling_value_that_it_does_not_take_is_refused_before_anything_is_loaded(name: str) -> None:
    capabilities = provider_class(name).capabilities
    spec = ModelSpec(provider=name, model="/nowhere/model.gguf")
    for value in {"temperature", "top_k", "seed", "max_tokens"} - capabilities.sampling:
        with pytest.raises(SettingsError, match=value):
            provider_class(name).check(dataclasses.replace(spec, **{value: 1}))
        with pytest.raises(RequestRejected, match=value):
            ask_local(open_provider(spec), local_request(spec, wanted=WANTED.get(name), **{value: 1}))


@pytest.mark.parametrize("name", LOCAL)
def test_copies_on_several_devices_are_refused_and_never_left_out_in_silence(name: str) -> None:
    with pytest.raises(SettingsError, match="device"):
        provider_class(name).check(ModelSpec(provider=name, model="model.gguf", devices=("cuda:0", "cuda:1")))


class TestEveryLocalModel:
    def test_its_spec_passes_its_check(self, case: Case) -> None:
        provider_class(case.spec.provider).check(case.spec)

    def test_each_request_gets_its_own_reply(self, case: Case) -> None:
        requests = [case.request(prompt) for prompt in PROMPTS]
        replies = case.ask(*requests)
        for request, reply in zip(requests[::-1], case.ask(*requests[::-1]), strict=True):
            (alone,) = case.ask(request)
            assert alone.text == reply.text == replies[requests.index(request)].text
        assert len({str(given(reply)) for reply in replies}) == len(PROMPTS)

    def test_a_model_that_is_loaded_anew_gives_the_same_reply(self, case: Case) -> None:
        provider = case.open()
        (again,) = ask_local(provider, case.request())
        provider.close()
        assert given(case.ask(case.request())[0]) == given(again)

    def test_a_model_is_told_by_its_content_and_never_by_its_path(self, case: Case) -> None:
        asked: list[Path] = []
        identity = resolve_identity(case.spec, lambda path: asked.append(path) or "tree-sha256:00")
        assert asked == [Path(case.spec.model)]
        assert identity.model == "tree-sha256:00"
        assert case.spec.model not in str(identity)

    def test_where_and_how_it_runs_is_no_part_of_its_identity(self, case: Case) -> None:
        other = dataclasses.replace(case.spec, device="cuda:1", batch_size=99)
        names = provider_class(case.spec.provider).capabilities.execution_options
        other = dataclasses.replace(other, options=dict.fromkeys(names, 1))
        identities = [resolve_identity(spec, lambda _: "tree-sha256:00") for spec in (case.spec, other)]
        assert identities[0] == identities[1]

    def test_the_reply_is_plain_json_with_all_its_facts(self, case: Case) -> None:
        (reply,) = case.ask(case.request("the of and"))
        assert Response.from_json(reply.to_json()) == reply
        assert reply.finish_reason in FINISH_REASONS
        assert reply.model == case.spec.model
        assert reply.usage.input_tokens >= 3
        assert reply.created_at.endswith("+00:00")
        assert reply.latency_seconds > 0
        assert reply.system_fingerprint

    def test_what_it_does_not_give_is_rejected(self, case: Case) -> None:
        for wanted in {"embedding", "labels", None} - {WANTED[case.spec.provider]}:
            with pytest.raises(RequestRejected, match=f"gives no {wanted or 'text'}"):
                case.ask(dataclasses.replace(case.request(), wanted=wanted))

    def test_a_request_without_messages_is_rejected_and_the_others_are_answered(self, case: Case) -> None:
        replies = case.shared.generate([dataclasses.replace(case.request(), messages=()), case.request()])
        assert next(replies)[0] == 1
        with pytest.raises(RequestRejected, match="no message"):
            next(replies)

    def test_a_closed_provider_can_be_asked_again(self, case: Case) -> None:
        case.open().close()
        (first,) = case.ask(case.request())
        case.shared.close()
        assert given(case.ask(case.request())[0]) == given(first)

    def test_a_model_that_is_not_there_is_rejected(self, case: Case) -> None:
        nowhere = dataclasses.replace(case.spec, model=case.spec.model + "-nowhere.gguf")
        with pytest.raises(RequestRejected, match="is not there"):
            ask_local(open_provider(nowhere), case.request())
