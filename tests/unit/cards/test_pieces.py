"""The steps over the pieces of one rule are told as one."""

from __future__ import annotations

from typing import Any

from dreamsmk.cards.pieces import is_of_piece, is_piece, together, without_number


# Any: JSON of a card.
def step(number: int, name: str, *paths: str) -> dict[str, Any]:
    return {
        "step": number,
        "name": name,
        "task": {"name": "process_with_prompt"},
        "outputs": {str(position): {"path": path} for position, path in enumerate(paths)},
    }


def test_a_piece_is_told_by_its_path() -> None:
    assert is_piece("results/shards/tweets/made-3-of-8.parquet")
    assert is_piece("shards/tweets/rows-10-of-12.parquet")
    assert not is_piece("results/tweets/made-3-of-8.parquet")
    assert not is_piece("results/shards/tweets/made-3-of-8.csv")
    assert not is_piece("results/shards/made.parquet")
    assert without_number("results/shards/tweets/made-3-of-8.parquet") == "results/shards/tweets/made-*.parquet"
    assert without_number("results/tweets.parquet") == "results/tweets.parquet"


def test_steps_over_pieces_of_one_rule_stand_together_at_the_place_of_the_first() -> None:
    steps = [
        step(1, "tweets_shard", "r/shards/t/rows-1-of-2.parquet"),
        step(2, "tweets", "r/shards/t/made-1-of-2.parquet"),
        step(3, "tweets_shard", "r/shards/t/rows-2-of-2.parquet"),
        step(4, "tweets", "r/shards/t/made-2-of-2.parquet"),
        step(5, "tweets_gather", "r/t.parquet"),
        step(6, "round", "r/1.parquet"),
        step(7, "round", "r/2.parquet"),
    ]
    assert [[one["step"] for one in group] for group in together(steps)] == [[1, 3], [2, 4], [5], [6], [7]]
    assert not is_of_piece(step(8, "parts", "r/shards/t/made-1-of-2.parquet", "r/other.parquet"))
