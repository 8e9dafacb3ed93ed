from __future__ import annotations

import pytest

from dreamsmk.tasks.training.orpo import PairBatch, columns
from dreamsmk.tasks.training.rows.examples import IGNORED
from tests.unit.tasks.training.preference_rows import history, job_of, make_pairs


def test_a_batch_has_both_completions_behind_their_prompt():
    rows = [
        {"prompt_ids": [1, 2], "chosen_ids": [3], "rejected_ids": [4, 5]},
        {"prompt_ids": [6], "chosen_ids": [7, 8], "rejected_ids": [9]},
    ]
    batch = {name: tensor.tolist() for name, tensor in PairBatch(0)(rows).items()}
    assert batch["chosen_input_ids"] == [[1, 2, 3, 0], [6, 7, 8, 0]]
    assert batch["chosen_labels"] == [[IGNORED, IGNORED, 3, IGNORED], [IGNORED, 7, 8, IGNORED]]
    assert batch["rejected_input_ids"] == [[1, 2, 4, 5], [6, 9, 0, 0]]
    assert batch["rejected_attention_mask"] == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert batch["rejected_labels"] == [[IGNORED, IGNORED, 4, 5], [IGNORED, 9, IGNORED, IGNORED]]
    assert batch["input_ids"] == batch["chosen_input_ids"] + batch["rejected_input_ids"]


def test_the_loss_is_the_likelihood_and_beta_times_the_odds(tmp_path, tiny_model):
    job = job_of(tmp_path, tiny_model, "orpo")
    job.run(make_pairs(8), make_pairs(3), max_steps=2, beta=0.4)
    found = history(job)
    for row in found.rows(named=True)[1:]:
        assert row["loss"] == pytest.approx(row["nll_loss"] - 0.4 * row["log_odds_ratio"], rel=1e-5)
        assert row["rewards/chosen"] == pytest.approx(0.4 * row["logps/chosen"], rel=1e-5)
    assert found["eval_nll_loss"].null_count() == 0


def test_the_tokens_of_both_completions_are_counted(tmp_path, tiny_model):
    orpo, dpo = (job_of(tmp_path / rule, tiny_model, rule) for rule in ("orpo", "dpo"))
    counts = [job.run(make_pairs(8), epochs=1)["tokens"] for job in (orpo, dpo)]
    assert counts[0] == counts[1] > 0


def test_a_tokenizer_without_padding_pads_with_the_end_of_a_text(tmp_path, tiny_model):
    import json
    import shutil

    bare = tmp_path / "bare"
    shutil.copytree(tiny_model, bare)
    config = json.loads((bare / "tokenizer_config.json").read_text())
    config.pop("pad_token")
    (bare / "tokenizer_config.json").write_text(json.dumps(config))
    padded, unpadded = (job_of(tmp_path / path.name / "job", path, "orpo") for path in (tiny_model, bare))
    padded.run(make_pairs(6), max_steps=2)
    unpadded.run(make_pairs(6), max_steps=2)
    assert history(padded).equals(history(unpadded))


def test_the_output_is_a_folder_without_columns():
    assert columns({}, {"train": ["question"]}) == {"model": None}
