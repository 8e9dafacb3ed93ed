from __future__ import annotations

import json
import re

import polars as pl
import pytest

from dreamsmk.errors import SettingsError, TableError, TrainingError
from dreamsmk.tasks.training.embedding_model import columns
from dreamsmk.tasks.training.encoders.losses import LOSSES
from tests.tiny.encoders import make_tiny_encoder
from tests.unit.tasks.training.encoding import SPEC, files, triplets, vectors
from tests.unit.tasks.training.job import Job, Recorder
from tests.unit.tasks.training.test_fine_tune import Stopped, stop_at

PAIRS = {"anchors": "question", "positives": "answer"}
TRIPLETS = PAIRS | {"negatives": "other"}
SCORES = {"first": "question", "second": "answer", "scores": "score"}
WAYS = {"triplets": TRIPLETS, "pairs": PAIRS, "scores": SCORES}
# dropout is the model's own; more than one epoch, a last batch that is not full
NOISY = {"epochs": 3, "batch_size": 4, "gradient_accumulation_steps": 2, "save_steps": 1}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    return make_tiny_encoder(tmp_path_factory.mktemp("tiny") / "encoder")


@pytest.fixture
def job(tmp_path, encoder) -> Job:
    return make_job(tmp_path / "job", encoder)


def make_job(folder, encoder, given=TRIPLETS) -> Job:
    return Job(folder, encoder, spec=SPEC, rule="embedding_model", given=given)


def history(job: Job) -> pl.DataFrame:
    return pl.read_parquet(job.output / "history.parquet")


@pytest.mark.parametrize("lora", [{"r": 8}, None], ids=["lora", "full"])
def test_positives_come_nearer_than_negatives_and_the_folder_is_whole_by_itself(job, encoder, lora):
    rows = triplets(24)
    facts = job.run(rows, rows, epochs=20, lora=lora)
    told = history(job)["eval_cosine_accuracy"].drop_nulls().to_list()
    assert told[0] < 0.7
    assert told[-1] > 0.9
    assert facts["is_merged"] == (lora is not None)
    anchors, positives, negatives = (vectors(job, rows[name].to_list()) for name in ("question", "answer", "other"))
    nearer = (anchors * positives).sum(axis=1) > (anchors * negatives).sum(axis=1)
    assert nearer.mean() == pytest.approx(told[-1])
    assert set(files(job.output)) == set(files(encoder)) | {"history.parquet"}


def test_scores_become_cosines(tmp_path, encoder):
    job = make_job(tmp_path, encoder, SCORES)
    made = triplets(12)
    right, wrong = (
        made.select("question", answer=name, score=pl.lit(score)) for name, score in (("answer", 1.0), ("other", 0.0))
    )
    rows = pl.concat([right, wrong])
    job.run(rows, rows, epochs=20, lora=None)
    told = history(job)["eval_spearman"].drop_nulls().to_list()
    # 0.87 is the most that two scores can have
    assert told[0] < 0.3
    assert told[-1] > 0.8
    first, second = (vectors(job, rows[name].to_list()) for name in ("question", "answer"))
    found = pl.DataFrame({"cosine": (first * second).sum(axis=1), "score": rows["score"]})
    assert found.select(pl.corr("cosine", "score", method="spearman")).item() == pytest.approx(told[-1], abs=1e-3)


def test_a_pair_is_right_where_no_other_positive_of_the_table_is_nearer(tmp_path, encoder):
    job = make_job(tmp_path, encoder, PAIRS)
    rows = triplets(8)
    job.run(rows, rows, epochs=60, batch_size=8, learning_rate=3e-3, lora=None)
    anchors, positives = (vectors(job, rows[name].to_list()) for name in ("question", "answer"))
    right = (anchors @ positives.T).argmax(axis=1) == range(8)
    assert history(job)["eval_cosine_accuracy"].drop_nulls()[-1] == pytest.approx(right.mean())
    assert right.mean() > 0.8


@pytest.mark.parametrize(("way", "loss"), [(way, loss) for way, names in LOSSES.items() for loss in names])
def test_every_loss_goes_down(tmp_path, encoder, way, loss):
    job = make_job(tmp_path, encoder, WAYS[way])
    rows = triplets(8)
    facts = job.run(rows, rows, epochs=8, batch_size=8, loss=loss, lora=None)
    told = [each["eval_loss"] for each in facts["eval_loss"]]
    assert told[-1] < told[0]


def test_a_loss_that_is_not_the_default_is_another_one(tmp_path, encoder):
    given = {loss: make_job(tmp_path / loss, encoder) for loss in LOSSES["triplets"]}
    first = {loss: job.run(triplets(8), max_steps=1, loss=loss)["first_loss"] for loss, job in given.items()}
    assert first["multiple_negatives"] != pytest.approx(first["triplet"], rel=0.1)


@pytest.mark.parametrize("way", ["triplets", "scores"])
@pytest.mark.parametrize("lora", [{"r": 4, "dropout": 0.2}, None], ids=["lora", "full"])
def test_a_run_that_was_stopped_ends_as_an_unbroken_one(tmp_path, encoder, lora, way):
    whole, stopped = (make_job(tmp_path / name, encoder, WAYS[way]) for name in ("whole", "stopped"))
    whole.run(triplets(10), triplets(4), **NOISY, lora=lora)
    stopped.progress = Recorder(at_step=stop_at(5))
    with pytest.raises(Stopped):
        stopped.run(triplets(10), triplets(4), **NOISY, lora=lora)
    stopped.progress = Recorder()
    facts = stopped.run(triplets(10), triplets(4), **NOISY, lora=lora)
    assert facts["steps_before_resuming"] == 4
    assert facts["tokens"] == history(whole)["tokens"][-1]
    assert files(stopped.output) == files(whole.output)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path, encoder):
    jobs = [make_job(tmp_path / name, encoder) for name in ("a", "b", "c")]
    for job, seed in zip(jobs, (1, 1, 2), strict=True):
        job.run(triplets(8), max_steps=2, seed=seed)
    first, second, other = (files(job.output) for job in jobs)
    assert first == second
    assert first["model.safetensors"] != other["model.safetensors"]


def test_more_epochs_go_on_from_fewer(tmp_path, encoder):
    longer, whole = (make_job(tmp_path / name, encoder) for name in ("longer", "whole"))
    given = {"batch_size": 4, "lr_scheduler": "constant"}
    longer.run(triplets(8), epochs=1, **given)
    longer.folder.joinpath("scratch").rename(longer.folder / "before")
    assert longer.run(triplets(8), epochs=2, **given)["steps_before_resuming"] == 2
    whole.run(triplets(8), epochs=2, **given)
    assert files(longer.output) == files(whole.output)


def test_the_best_weights_are_those_of_the_lowest_loss(job):
    rows = triplets(16)
    facts = job.run(rows.head(8), rows.tail(8), epochs=6, keep="best", learning_rate=3e-2, batch_size=4, lora=None)
    told = {each["step"]: each["eval_loss"] for each in facts["eval_loss"] if each["step"]}
    assert facts["kept_step"] == min(told, key=told.get)
    again = make_job(job.folder.with_name("again"), job.output)
    before = again.run(rows.head(8), rows.tail(8), max_steps=1, batch_size=4)["eval_loss"][0]["eval_loss"]
    assert before == pytest.approx(min(told.values()), rel=1e-4)


def test_rows_that_share_a_text_never_meet_in_a_batch(tmp_path, encoder):
    job = make_job(tmp_path, encoder, PAIRS)
    rows = pl.DataFrame({"question": ["the", "the", "of", "of"], "answer": ["to", "in", "that", "for"]})
    facts = job.run(rows, max_steps=1, batch_size=4)
    # two rows, each an anchor and a positive of one word and the two tokens around it
    assert facts["tokens"] == 2 * 2 * 3


def test_negatives_may_be_lists(job):
    rows = triplets(8).with_columns(other=pl.concat_list("other", pl.col("other") + " no"))
    assert job.run(rows, triplets(4), max_steps=1, batch_size=8)["tokens"] == 8 * (4 + 4 + 4 + 5)
    uneven = rows.with_columns(other=pl.when(pl.int_range(pl.len()) == 3).then(pl.lit(["the"])).otherwise("other"))
    with pytest.raises(TableError, match=r"not all as long as the first, of 2(.|\n)*row 3 "):
        job.run(uneven, max_steps=1)
    with pytest.raises(SettingsError, match="one negative a row"):
        job.run(rows, max_steps=1, loss="triplet")


def test_first_dimensions_do_by_themselves_where_that_is_asked(job):
    rows = triplets(24)
    job.run(rows, rows, epochs=20, matryoshka_dims=[8], lora=None)
    anchors, positives, negatives = (
        vectors(job, rows[name].to_list(), truncate_dim=8) for name in ("question", "answer", "other")
    )
    assert ((anchors * positives).sum(axis=1) > (anchors * negatives).sum(axis=1)).mean() > 0.8
    with pytest.raises(SettingsError, match="the vectors have 32 numbers, not 64"):
        job.run(rows, max_steps=2, matryoshka_dims=[64])


def test_prompts_are_trained_with_and_left_in_the_model(job):
    rows = triplets(8)
    facts = job.run(rows, max_steps=1, batch_size=8, query_prompt="that ", passage_prompt="it in ")
    assert facts["tokens"] == 8 * (5 + 6 + 6)
    left = json.loads(files(job.output)["config_sentence_transformers.json"])
    assert left["prompts"] == {"query": "that ", "document": "it in "}
    asked = vectors(job, ["the of"], prompt_name="query")
    assert asked == pytest.approx(vectors(job, ["that the of"]), abs=1e-6)


def test_a_plain_encoder_needs_a_word_on_pooling(tmp_path, encoder):
    plain = make_job(tmp_path / "plain", encoder.with_name("encoder-plain"))
    with pytest.raises(TrainingError, match=r"no embedding model(.|\n)*pooling: mean"):
        plain.run(triplets(4), max_steps=1)
    plain.run(triplets(4), max_steps=1, pooling="mean")
    assert vectors(plain, ["the"]).shape == (1, 32)
    with pytest.raises(SettingsError, match="says itself how its vectors are made"):
        make_job(tmp_path / "whole", encoder).run(triplets(4), max_steps=1, pooling="mean")


def test_a_text_beyond_the_length_is_told_or_cut(job):
    rows = pl.concat([triplets(3), triplets(1).with_columns(other=pl.lit("the of and " * 6))])
    with pytest.raises(TrainingError, match=r"more than 16 tokens(.|\n)*row 3 "):
        job.run(rows, max_steps=1)
    assert job.run(rows, max_steps=1, truncate=True, max_length=8)["max_length"] == 8
    assert json.loads(files(job.output)["tokenizer_config.json"])["model_max_length"] == 8
    assert job.run(rows, max_steps=1, max_length=32)["steps"] == 1
    with pytest.raises(TrainingError, match="reads 64 tokens at most"):
        job.run(rows, max_steps=1, max_length=65)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"question": pl.Series(["a", None, "b"])}, r"'question' has 1 empty cells(.|\n)*row 1 "),
        ({"other": pl.Series([["a"], None, ["b"]])}, r"'other' has empty cells(.|\n)*row 1 "),
        ({"other": pl.Series([[1], [2], [3]])}, "negatives are texts, or lists of them"),
    ],
)
def test_cells_that_cannot_be_learnt_from_are_told(job, change, said):
    with pytest.raises(TableError, match=said):
        job.run(triplets(3).with_columns(**change), max_steps=1)
    assert job.progress.steps == []


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([0.5, 1.5, -2.0], r"2 rows have scores that no cosine can be(.|\n)*rows 1, 2 "),
        ([0.5, None, 0.0], r"no numbers(.|\n)*row 1 "),
        ([0.5, float("nan"), 0.0], r"no numbers(.|\n)*row 1 "),
        (["high", "low", "low"], "of type String, not of numbers"),
    ],
)
def test_scores_that_cannot_be_learnt_from_are_told(tmp_path, encoder, scores, said):
    job = make_job(tmp_path, encoder, SCORES)
    with pytest.raises(TableError, match=said):
        job.run(triplets(3).with_columns(score=pl.Series(scores)), max_steps=1)


def test_scores_that_are_only_compared_may_be_any_numbers(tmp_path, encoder):
    job = make_job(tmp_path, encoder, SCORES)
    rows = triplets(4).with_columns(score=pl.Series([1, 5, 3, 2]))
    assert job.run(rows, rows, max_steps=1, loss="cosent")["steps"] == 1


def test_a_table_without_rows_or_without_a_column_is_refused(job):
    with pytest.raises(TableError, match="no rows to train on"):
        job.run(triplets(0), max_steps=1)
    with pytest.raises(TableError, match="other"):
        job.run(triplets(4).drop("other"), max_steps=1)


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({}, "there are no columns to learn from"),
        ({"anchors": "a"}, "the columns anchors are no way to learn from"),
        ({"anchors": "a", "positives": "b", "scores": "c"}, "anchors, positives, scores are no way"),
        (TRIPLETS | {"loss": "cosent"}, "`loss: cosent` does not fit triplets"),
        (SCORES | {"loss": "triplet"}, "`loss: triplet` does not fit scores"),
    ],
)
def test_parameters_that_name_no_way_to_learn_are_refused_before_anything_runs(params, said):
    with pytest.raises(SettingsError, match=re.escape(said)):
        columns(params, {"train": None})


def test_a_model_that_is_none_of_embeddings_is_refused(tmp_path, encoder):
    job = make_job(tmp_path / "job", encoder)
    for spec, said in (
        ({"provider": "transformers"}, "provider: sentence_transformers"),
        (SPEC | {"adapter": "somewhere"}, "without `adapter`"),
        (SPEC | {"model": str(tmp_path / "nowhere")}, "cannot be loaded|no embedding model"),
    ):
        job.spec = spec
        with pytest.raises((SettingsError, TrainingError), match=said):
            job.run(triplets(4), max_steps=1)
    job.spec = SPEC
    with pytest.raises(SettingsError, match="without `quantization`"):
        job.run(triplets(4), max_steps=1, quantization="bnb-4bit")


@pytest.mark.parametrize("lora", [{}, None], ids=["lora", "full"])
def test_sixteen_bits_and_checkpoints_of_activations_are_learnt_in(job, lora):
    rows = triplets(24)
    facts = job.run(rows, rows, epochs=8, precision="bf16", gradient_checkpointing=True, lora=lora)
    assert facts["eval_loss"][-1]["eval_loss"] < 0.7 * facts["eval_loss"][0]["eval_loss"]
    assert json.loads(files(job.output)["config.json"])["dtype"] == "bfloat16"


def test_the_libraries_say_nothing_and_write_nowhere_else(job, capfd, tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    job.run(triplets(6), triplets(4), max_steps=2, batch_size=4, save_steps=1)
    assert capfd.readouterr() == ("", "")
    assert files(home) == {}
    assert {path.name for path in job.folder.iterdir()} <= {
        *("train.parquet", "validation.parquet", "model", "scratch", "home")
    }


def test_two_processes_learn_together(tmp_path, encoder):
    job = make_job(tmp_path, encoder)
    facts = job.run(triplets(16), triplets(8), epochs=2, batch_size=8, processes=2, lora=None)
    assert facts["processes"] == 2
    assert facts["steps"] == 4
    assert facts["eval_loss"][-1]["eval_loss"] < facts["eval_loss"][0]["eval_loss"]
    assert vectors(job, ["the"]).shape == (1, 32)
