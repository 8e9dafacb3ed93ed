from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from dreamsmk.errors import (
    MissingCredentials,
    OfflineMiss,
    RequestRejected,
    ServiceUnavailable,
    SettingsError,
    TableError,
    TrainingError,
)
from dreamsmk.smk.meta import load_meta
from dreamsmk.tasks.training.openai_fine_tune import columns, openai_fine_tune
from tests.unit.tasks.training.openai_desk import BASE, PAIRS, RULE, TuningDesk, pairs
from tests.wire import WireServer
from tests.wire.asking import KEY
from tests.wire.fine_tuning import FineTuningApi
from tests.wire.tuning_jobs import LOSSES


@pytest.fixture
def api() -> FineTuningApi:
    return FineTuningApi()


@pytest.fixture
def desk(api: FineTuningApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TuningDesk]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with WireServer(extra_routes=api.routes) as server:
        yield TuningDesk(tmp_path / "job", server.openai_url)


def test_a_training_leaves_the_models_name_its_history_and_no_files_at_the_service(
    desk: TuningDesk, api: FineTuningApi
) -> None:
    facts = desk.run(pairs(), pairs(3, 50), **PAIRS, suffix="adder")
    (job,) = api.jobs
    assert desk.left() == {"model": job.model, "base_model": BASE, "job": job.id}
    assert ":adder:" in job.model
    assert desk.history().select("step", "loss", "eval_loss", "accuracy").rows() == [
        (step, loss, loss + 0.5 if step == 4 else None, 0.5) for step, loss in enumerate(LOSSES, 1)
    ]
    assert facts["hyper_parameters"] == {
        "epochs": 3,
        "batch_size": 1,
        "learning_rate_multiplier": 1.8,
        "seed": 42,
        "suffix": "adder",
    }
    assert (facts["model"], facts["job"], facts["tokens"]) == (job.model, job.id, job.tokens)
    assert (facts["train_rows"], facts["validation_rows"], facts["steps"]) == (12, 3, 4)
    assert (facts["first_loss"], facts["final_loss"]) == (3.5, 1.125)
    assert facts["eval_loss"] == [{"step": 4, "eval_loss": 1.625}]
    assert facts["loss_history"][0] == {"step": 1, "loss": 3.5, "accuracy": 0.5}
    assert sorted(api.deleted) == sorted(file.id for file in api.uploaded)
    assert len(api.uploaded) == 2


def test_rows_are_laid_out_as_a_prompting_rule_lays_them_out(desk: TuningDesk, api: FineTuningApi) -> None:
    desk.run(instruction=" Add. ", system_prompt="You are brief.", input_label="Q:", separator="\n")
    assert api.rows("train")[0] == {
        "messages": [
            {"role": "system", "content": "You are brief."},
            {"role": "user", "content": "Q: What is 0 + 1?\nInstruction: Add."},
            {"role": "assistant", "content": "1"},
        ]
    }
    desk.run()
    assert api.rows("train")[0]["messages"][0] == {"role": "user", "content": "What is 0 + 1?"}


def test_what_is_left_to_the_service_is_not_sent(desk: TuningDesk, api: FineTuningApi) -> None:
    desk.run(seed=None)
    desk.run(epochs=2, batch_size=4, learning_rate_multiplier=0.5)
    plain, full = (job.asked for job in api.jobs)
    assert set(plain) == {"model", "training_file", "method", "metadata"}
    assert plain["method"] == {"type": "supervised"}
    given = {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 0.5}
    assert full["method"] == {"type": "supervised", "supervised": {"hyperparameters": given}}
    assert full["seed"] == 42


@pytest.mark.parametrize("as_json", [False, True], ids=["structs", "json"])
def test_whole_chats_are_sent_as_they_are(desk: TuningDesk, api: FineTuningApi, as_json: bool) -> None:
    chat = [
        {"role": "user", "content": "Hi", "weight": None},
        {"role": "assistant", "content": "Hm", "weight": 0},
        {"role": "user", "content": "Hi!", "weight": None},
        {"role": "assistant", "content": "Hello", "weight": 1},
    ]
    desk.run(pl.DataFrame({"chat": [json.dumps(chat) if as_json else chat] * 10}), messages="chat")
    assert api.rows("train")[9]["messages"] == [{k: v for k, v in m.items() if v is not None} for m in chat]


def test_preferences_are_sent_in_the_services_own_layout(desk: TuningDesk, api: FineTuningApi) -> None:
    rows = pl.DataFrame({"q": ["Hi"] * 10, "good": ["Hello"] * 10, "bad": ["What?"] * 10})
    facts = desk.run(rows, method="dpo", inputs="q", chosen="good", rejected="bad", beta=0.2)
    assert api.rows("train")[0] == {
        "input": {"messages": [{"role": "user", "content": "Hi"}]},
        "preferred_output": [{"role": "assistant", "content": "Hello"}],
        "non_preferred_output": [{"role": "assistant", "content": "What?"}],
    }
    assert api.jobs[0].asked["method"] == {"type": "dpo", "dpo": {"hyperparameters": {"beta": 0.2}}}
    assert facts["hyper_parameters"]["beta"] == 0.2


def test_events_are_said_once_and_in_order(desk: TuningDesk, api: FineTuningApi) -> None:
    api.seconds, api.page = 1.0, 3
    desk.run()
    said = [note.removeprefix("openai: ") for note in desk.progress.notes if note.startswith("openai: ")]
    assert said[1:] == [
        "Validating training file",
        "Files validated, moving job to queued state",
        "Fine-tuning job started",
        f"New fine-tuned model created: {api.jobs[0].model}",
        "The job has successfully completed",
    ]
    assert desk.progress.steps == [(step, 4, {"loss": loss}) for step, loss in enumerate(LOSSES, 1)]


@pytest.mark.parametrize("is_plain", [True, False], ids=["csv", "events"])
def test_the_history_is_read_from_plain_results_and_without_results_from_the_events(
    desk: TuningDesk, api: FineTuningApi, is_plain: bool
) -> None:
    api.is_plain, api.has_results = is_plain, is_plain
    desk.run()
    assert desk.history().select("step", "loss", "accuracy").rows() == [
        (step, loss, 0.5) for step, loss in enumerate(LOSSES, 1)
    ]


def test_files_can_be_kept(desk: TuningDesk, api: FineTuningApi) -> None:
    desk.run(keep_files=True)
    assert api.deleted == []


def test_a_file_that_cannot_be_deleted_is_told_and_costs_no_model(desk: TuningDesk, api: FineTuningApi) -> None:
    api.broken = {"delete"}
    desk.run()
    assert desk.left()["model"] == api.jobs[0].model
    assert desk.progress.notes[-1].startswith(f"the uploaded file {api.uploaded[0].id} could not be deleted")


def test_another_parameter_is_another_job(desk: TuningDesk, api: FineTuningApi) -> None:
    for folder, params in (("one", {}), ("two", {"epochs": 2}), ("three", {"seed": 7})):
        TuningDesk(desk.folder / folder, desk.url).run(**params)
    assert len({job.asked["metadata"]["dreamsmk"] for job in api.jobs}) == 3


def test_a_job_that_failed_is_told_and_only_the_next_run_begins_another(desk: TuningDesk, api: FineTuningApi) -> None:
    api.problem = {"code": "unsafe_file", "message": "It is unsafe, {key}.", "param": "training_file"}
    with pytest.raises(TrainingError) as caught:
        desk.run()
    text = str(caught.value)
    assert "It is unsafe, ***. (unsafe_file)" in text
    assert f"job {api.jobs[0].id}, training_file" in text
    assert KEY not in text + "".join(desk.progress.notes)
    assert api.deleted == []
    api.problem = None
    desk.run()
    assert len(api.jobs) == 2
    assert len(api.uploaded) == 1, "the file that is there is used again"
    assert desk.left()["model"] == api.jobs[1].model


def test_a_job_that_somebody_cancelled_is_told(desk: TuningDesk, api: FineTuningApi) -> None:
    api.seconds = 30.0
    desk.progress = _StopAt("running", api)
    with pytest.raises(TrainingError, match="the job at openai was cancelled"):
        desk.run()


class _StopAt:
    """A progress at whose first word on the job somebody else cancels it."""

    def __init__(self, word: str, api: FineTuningApi) -> None:
        self._api = api

    def update(self, done: int, total: int | None = None, **facts: float) -> None: ...

    def note(self, text: str) -> None:
        if self._api.jobs:
            self._api.jobs[0].is_cancelled = True


def test_what_ends_the_run_does_not_cancel_the_job(desk: TuningDesk, api: FineTuningApi) -> None:
    api.seconds = 1.0
    desk.progress = _Interrupting()
    with pytest.raises(KeyboardInterrupt):
        desk.run()
    assert desk.progress.notes[-1] == f"the job {api.jobs[0].id} goes on at openai; the next run picks it up"
    assert api.cancelled == 0
    desk.run()
    assert len(api.jobs) == 1
    assert desk.left()["job"] == api.jobs[0].id


class _Interrupting:
    """A progress at whose first event Ctrl-C is pressed, once."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._is_over = False

    def update(self, done: int, total: int | None = None, **facts: float) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)
        if text.startswith("openai: ") and not self._is_over:
            self._is_over = True
            raise KeyboardInterrupt


@pytest.mark.parametrize("status", [-500, -504])
def test_a_job_whose_answer_was_lost_is_found(desk: TuningDesk, api: FineTuningApi, status: int) -> None:
    api.refuse, api.lag_seconds = [status], 0.3
    desk.run()
    assert len(api.jobs) == 1


def test_a_job_is_found_at_a_server_that_keeps_no_metadata(desk: TuningDesk, api: FineTuningApi) -> None:
    api.refuse, api.knows_metadata = [-500], False
    desk.run()
    assert len(api.jobs) == 1


def test_a_job_that_the_service_did_not_take_for_now_is_asked_for_again(desk: TuningDesk, api: FineTuningApi) -> None:
    api.refuse, desk.arrival_seconds = [500], 0.0
    desk.run()
    assert (api.seen["create"], len(api.jobs), len(api.uploaded)) == (2, 1, 1)


def test_a_job_that_the_service_will_not_have_is_an_error_and_is_not_asked_for_again(
    desk: TuningDesk, api: FineTuningApi
) -> None:
    api.refuse = [400]
    with pytest.raises(RequestRejected, match=r"openai says 400: not now, Bearer \*\*\*"):
        desk.run()
    assert (api.seen["create"], api.jobs) == (1, [])
    desk.run()
    assert (len(api.jobs), len(api.uploaded)) == (1, 1)


def test_a_service_that_has_no_room_is_an_error_in_the_end(desk: TuningDesk, api: FineTuningApi) -> None:
    api.refuse, desk.spec["max_retries"] = [429, 429], 0
    with pytest.raises(ServiceUnavailable, match="openai says 429"):
        desk.run()
    assert (api.seen["create"], api.seen["list"]) == (1, 1), "what was refused for now is not looked for"


def test_a_job_is_found_again_where_nothing_is_left_but_its_name(desk: TuningDesk, api: FineTuningApi) -> None:
    desk.run()
    other = TuningDesk(desk.folder / "elsewhere", desk.url)
    other.run()
    assert len(api.jobs) == 1
    assert other.left() == desk.left()


def test_a_model_that_was_deleted_is_trained_again(desk: TuningDesk, api: FineTuningApi) -> None:
    desk.run()
    api.keeps_models = False
    assert api.server is not None
    api.server.models.clear()
    TuningDesk(desk.folder / "elsewhere", desk.url).run()
    assert len(api.jobs) == 2


def test_a_job_that_the_service_does_not_know_any_more_is_an_error_and_no_second_job(
    desk: TuningDesk, api: FineTuningApi
) -> None:
    desk.run()
    api.jobs.clear()
    with pytest.raises(RequestRejected, match="does not know the job") as caught:
        desk.run()
    assert str(desk.ledger) in str(caught.value)
    assert api.jobs == []
    desk.ledger.unlink()
    desk.run()
    assert len(api.jobs) == 1


@pytest.mark.parametrize(
    ("rows", "params", "words"),
    [
        (pairs(0), PAIRS, "no rows to train on"),
        (pairs(9), PAIRS, r"has 9 example\(s\), but must have at least 10 examples"),
        (pairs().with_columns(answer=None), PAIRS, "'answer' has 12 empty cells"),
        (pairs().with_columns(answer=pl.lit("")), PAIRS, "12 rows have nothing to learn from"),
        (pairs().rename({"answer": "reply"}), PAIRS, "no column 'answer'"),
        (pl.DataFrame({"m": ["Hi"] * 10}), {"messages": "m"}, "the chat is no JSON"),
        (pl.DataFrame({"m": ["[]"] * 10}), {"messages": "m"}, "the row has no chat"),
        (pl.DataFrame({"m": ['[{"role": "boss", "content": "Hi"}]'] * 10}), {"messages": "m"}, "no role of"),
        (pl.DataFrame({"m": ['[{"role": "user", "content": ""}]'] * 10}), {"messages": "m"}, "no content"),
        (pl.DataFrame({"m": ['[{"role": "user", "content": "H"}]'] * 10}), {"messages": "m"}, "must be the assis"),
    ],
)  # fmt: skip
def test_rows_that_the_service_would_refuse_are_never_uploaded(
    desk: TuningDesk, api: FineTuningApi, rows: pl.DataFrame, params: dict, words: str
) -> None:
    with pytest.raises(TableError, match=words):
        desk.run(rows, **params)
    assert not api.seen


def test_the_validation_rows_are_checked_before_anything_is_uploaded(desk: TuningDesk, api: FineTuningApi) -> None:
    with pytest.raises(TableError, match="no column 'answer'"):
        desk.run(pairs(), pairs(3).rename({"answer": "reply"}), **PAIRS)
    with pytest.raises(TableError, match="no rows to train on"):
        desk.run(pairs(), pairs(0), **PAIRS)
    assert not api.seen


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({}, "`inputs` or `messages`"),
        ({"inputs": "a", "messages": "b"}, "`inputs` or `messages`"),
        ({"inputs": "a"}, "'outputs' is missing"),
        ({"inputs": "a", "outputs": "b", "chosen": "c"}, "takes no 'chosen'"),
        ({"messages": "a", "instruction": "Do."}, "'instruction' does not go with"),
        ({"messages": "a", "outputs": "b"}, "'outputs' does not go with"),
        ({"method": "dpo", "inputs": "a", "chosen": "b"}, "'rejected' is missing"),
        ({"inputs": "a", "outputs": "b", "beta": 0.1}, "`beta` is for"),
    ],
)
def test_parameters_that_do_not_go_together_are_refused_before_anything_runs(params: dict, words: str) -> None:
    from dreamsmk.settings import validate_params

    given = validate_params(load_meta(RULE).params, {"model": "base", **params}, where=RULE)
    with pytest.raises(SettingsError, match=words):
        columns(given, {})


@pytest.mark.parametrize(
    ("spec", "settings", "error", "words"),
    [
        ({"provider": "echo", "base_url": None}, {}, SettingsError, "provider 'echo' cannot be fine-tuned"),
        ({}, {"offline": True}, OfflineMiss, "the config says `offline`"),
        ({"base_url": None, "api_key_env": "NO_SUCH_KEY"}, {}, MissingCredentials, "no API key"),
        ({"base_url": "http://127.0.0.1:9/v1"}, {}, ServiceUnavailable, "cannot be reached"),
    ],
    ids=["provider", "offline", "key", "server"],
)
def test_what_cannot_be_trained_is_refused(
    desk: TuningDesk, api: FineTuningApi, spec: dict, settings: dict, error: type[Exception], words: str
) -> None:
    desk.spec, desk.settings = {**spec, "max_retries": 0}, settings
    with pytest.raises(error, match=words):
        openai_fine_tune(desk.context(pairs(), **PAIRS))
    assert not api.seen


def test_the_output_must_be_a_json_file(desk: TuningDesk) -> None:
    context = desk.context(pairs(), **PAIRS)
    context.outputs = {"model": Path("model")}
    with pytest.raises(SettingsError, match="must end with"):
        openai_fine_tune(context)


def test_a_model_that_was_fine_tuned_can_be_fine_tuned_again(desk: TuningDesk, api: FineTuningApi) -> None:
    desk.run()
    further = TuningDesk(desk.folder / "further", desk.url, spec={"model": str(desk.model)})
    further.run()
    assert api.jobs[1].asked["model"] == api.jobs[0].model
