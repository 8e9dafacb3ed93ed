from __future__ import annotations

from dreamsmk.tasks.training.frame.history import history_table

LOG = [
    {"eval_loss": 3.0, "eval_runtime": 0.1, "step": 0, "num_input_tokens_seen": 0},
    {"loss": 2.0, "grad_norm": 1.0, "learning_rate": 0.1, "epoch": 0.5, "num_input_tokens_seen": 10, "step": 1},
    {"loss": 1.0, "grad_norm": 1.0, "learning_rate": 0.05, "epoch": 1.0, "num_input_tokens_seen": 21, "step": 2},
    {"eval_loss": 1.5, "eval_runtime": 0.1, "epoch": 1.0, "num_input_tokens_seen": 21, "step": 2},
    {"train_runtime": 3.0, "train_loss": 1.5, "step": 2},
]


def test_a_step_has_one_row_with_its_loss_and_its_validation():
    assert history_table(LOG).rows() == [
        (0, None, None, 3.0, None, 0),
        (1, 0.5, 2.0, None, 0.1, 10),
        (2, 1.0, 1.0, 1.5, 0.05, 21),
    ]


def test_no_steps_give_no_rows_but_all_columns():
    table = history_table([])
    assert table.columns == ["step", "epoch", "loss", "eval_loss", "learning_rate", "tokens"]
    assert table.is_empty()
