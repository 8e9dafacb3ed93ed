"""Chooses tokens so that a reply depends on its request alone, not on the batch that it was made in.

Gumbel-max sampling (Gumbel 1954; Maddison et al., "A* Sampling", 2014): the argmax of logits plus independent Gumbel
noise is a sample of the softmax. `generate` searches greedily, and the noise comes in as the last logits processor.

Contract: the noise of token t at step s of a request is a pure function of the request's key, s and t: the output of
SplitMix64 (Steele et al., "Fast splittable pseudorandom number generators", 2014), which is exact integer arithmetic
and so the same on every device. In float32 a row is therefore the same alone and in any batch; with bfloat16 or
float16 weights the logits themselves change a little with the shape of the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from dreamsmk.providers.local.grammar import Follower, mask_logits
from dreamsmk.requests import Request, Sampling

if TYPE_CHECKING:
    import torch

MASK = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15
MIX_1 = 0xBF58476D1CE4E5B9
MIX_2 = 0x94D049BB133111EB

# temperature, top_k, top_p, min_p, repetition_penalty: rows of one batch share them
Group = tuple[float, int | None, float | None, float | None, float | None]


def sampling_group(sampling: Sampling) -> Group:
    """Returns the values that all rows of a batch must share; no temperature, or 0, means greedy search."""
    temperature = float(sampling.temperature or 0)
    if temperature == 0:
        return (0.0, None, None, None, sampling.repetition_penalty)
    return (temperature, sampling.top_k, sampling.top_p, sampling.min_p, sampling.repetition_penalty)


class Choosing(Protocol):
    """What the processors must know of a row that a token is being chosen for."""

    @property
    def seed(self) -> int:
        """The 64 bits that all noise of the row comes from."""

    @property
    def new(self) -> Sequence[int]:
        """The tokens that were chosen so far."""

    @property
    def follower(self) -> Follower | None:
        """What holds the row to a grammar, if anything does."""

    @property
    def is_done(self) -> bool:
        """Whether the row needs no more tokens, and is there only because its batch stays together."""


class RowsAtHand:
    """The rows of the batch that tokens are being chosen for, in its order; others take their place between steps."""

    def __init__(self, rows: Sequence[Choosing] = ()) -> None:
        self.rows = rows


# Any: processors of transformers.
def logits_processors(group: Group, at_hand: RowsAtHand) -> list[Any]:
    """Returns the processors that make greedy search a sample.

    First what a schema does not allow is left out, then come transformers' own warpers in its order, then noise. The
    repetition penalty is not among them: `generate` takes it as an argument.

    Args:
        group: What `sampling_group` gave for each of the rows.
        at_hand: Tells the rows at each step.
    """
    from transformers import MinPLogitsWarper, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    temperature, top_k, top_p, min_p, _ = group
    grammar = GrammarMask(at_hand)
    if temperature == 0:
        return [grammar]
    warpers = [
        grammar,
        TemperatureLogitsWarper(temperature),
        TopKLogitsWarper(top_k) if top_k is not None else None,
        TopPLogitsWarper(float(top_p)) if top_p is not None and top_p < 1 else None,
        MinPLogitsWarper(float(min_p)) if min_p else None,
        GumbelNoise(at_hand),
    ]
    return [warper for warper in warpers if warper is not None]


def request_seed(request: Request) -> int:
    """Returns the 64 bits that all noise of a request comes from: the first ones of its key."""
    return int(request.key().partition(":")[2][:16], 16)


class GrammarMask:
    """Leaves out the tokens that a row's schema does not allow next."""

    def __init__(self, at_hand: RowsAtHand) -> None:
        self._at_hand = at_hand

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Returns logits of the shape (rows, vocabulary) of `scores`."""
        return mask_logits(scores, [None if row.is_done else row.follower for row in self._at_hand.rows])


class GumbelNoise:
    """Adds Gumbel noise to logits, each row from its own seed and at its own step.

    Args:
        at_hand: Tells the rows at each step.
    """

    def __init__(self, at_hand: RowsAtHand) -> None:
        self._at_hand = at_hand

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Returns logits plus noise in float64, of the shape (rows, vocabulary) of `scores`."""
        seeds = [mix(row.seed ^ mix(len(row.new))) for row in self._at_hand.rows]
        return scores.double() + gumbel(seeds, scores.shape[1], scores.device)


def gumbel(seeds: Sequence[int], count: int, device: torch.device) -> torch.Tensor:
    """Returns standard Gumbel noise in float64, of the shape (seeds, count)."""
    import torch

    rows = torch.tensor([_signed(seed) for seed in seeds], dtype=torch.int64, device=device)
    bits = torch.arange(1, count + 1, dtype=torch.int64, device=device).mul_(_signed(GAMMA))
    bits = rows[:, None] + bits[None, :]
    for shift, factor in ((30, MIX_1), (27, MIX_2)):
        bits ^= _shifted(bits, shift)
        bits *= _signed(factor)
    bits ^= _shifted(bits, 31)
    # 52 bits and a half: never 0 and never 1, so that both logarithms are finite
    uniform = _shifted(bits, 12).double().add_(0.5).mul_(2.0**-52)
    return uniform.log_().neg_().log_().neg_()


def mix(state: int) -> int:
    """Returns the output of SplitMix64 for a state of 64 bits."""
    z = (state + GAMMA) & MASK
    z = ((z ^ (z >> 30)) * MIX_1) & MASK
    z = ((z ^ (z >> 27)) * MIX_2) & MASK
    return z ^ (z >> 31)


def _shifted(bits: torch.Tensor, shift: int) -> torch.Tensor:
    # torch shifts the sign in, SplitMix64 wants zeros
    return (bits >> shift) & (2 ** (64 - shift) - 1)


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value
