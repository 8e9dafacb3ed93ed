from __future__ import annotations

from dataclasses import dataclass

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamsmk.providers.local.sampling import GumbelNoise, RowsAtHand, gumbel, logits_processors, mix, sampling_group
from dreamsmk.requests import Sampling
from dreamsmk.settings import ModelSpec
from tests.wire.asking import make_request

CPU = torch.device("cpu")


@dataclass
class Chosen:
    """A row as far as the processors look at it."""

    seed: int = 0
    new: range = range(0)
    follower: None = None
    is_done: bool = False


def test_the_generator_is_splitmix64() -> None:
    """The first outputs for the seed 1234567, as published with the reference implementation."""
    gamma = 0x9E3779B97F4A7C15
    outputs = [mix((1234567 + n * gamma) % 2**64) for n in range(3)]
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**64 - 1), st.integers(1, 40))
def test_tensors_and_plain_integers_give_the_same_noise(seed: int, count: int) -> None:
    gamma = 0x9E3779B97F4A7C15
    words = [mix((seed + n * gamma) % 2**64) for n in range(count)]
    uniform = torch.tensor([((word >> 12) + 0.5) * 2.0**-52 for word in words], dtype=torch.float64)
    torch.testing.assert_close(gumbel([seed], count, CPU)[0], -torch.log(-torch.log(uniform)))


def test_the_noise_is_gumbel() -> None:
    noise = gumbel([1, 2], 200_000, CPU)
    assert torch.isfinite(noise).all()
    assert torch.allclose(noise.mean(dim=1), torch.full((2,), 0.5772, dtype=torch.float64), atol=0.02)
    assert torch.allclose(noise.std(dim=1), torch.full((2,), 1.2825, dtype=torch.float64), atol=0.02)
    assert abs(torch.corrcoef(noise)[0, 1]) < 0.01


def test_choices_follow_the_softmax() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    steps = 4000
    counts = torch.zeros(4)
    at_hand = RowsAtHand()
    noise = GumbelNoise(at_hand)
    for step in range(steps):
        at_hand.rows = [Chosen(7, range(step))]
        counts[noise(torch.zeros(1, 9, dtype=torch.long), logits).argmax()] += 1
    assert torch.allclose(counts / steps, logits.softmax(dim=-1)[0], atol=0.03)


def test_a_row_has_the_same_noise_beside_any_other_rows() -> None:
    ids, scores = torch.zeros(3, 12, dtype=torch.long), torch.randn(3, 50)
    rows = [Chosen(5, range(7)), Chosen(6, range(2)), Chosen(7, range(2))]
    beside = GumbelNoise(RowsAtHand(rows))(ids, scores)
    alone = GumbelNoise(RowsAtHand(rows[1:2]))(ids[1:2, :6], scores[1:2])
    assert torch.equal(beside[1:2], alone)


def test_no_temperature_is_greedy_whatever_else_is_given() -> None:
    for sampling in (Sampling(), Sampling(temperature=0.0), Sampling(temperature=0, top_k=3, top_p=0.5)):
        group = sampling_group(sampling)
        assert group == (0.0, None, None, None, None)
        scores = torch.randn(1, 9)
        (only,) = logits_processors(group, RowsAtHand([Chosen()]))
        assert torch.equal(only(torch.zeros(1, 1, dtype=torch.long), scores), scores)


def test_top_k_top_p_and_min_p_leave_out_unlikely_tokens() -> None:
    scores = torch.tensor([[4.0, 3.0, 2.0, -5.0]])
    ids = torch.zeros(1, 1, dtype=torch.long)
    spec = ModelSpec(provider="transformers", model="m")
    for values, kept in (({"top_k": 2}, 2), ({"top_p": 0.7}, 2), ({"min_p": 0.5}, 1), ({"top_p": 1.0}, 4)):
        request = make_request(spec, temperature=1, **values)
        left = scores
        for processor in logits_processors(sampling_group(request.sampling), RowsAtHand([Chosen()])):
            left = processor(ids, left)
        assert int(torch.isfinite(left).sum()) == kept
