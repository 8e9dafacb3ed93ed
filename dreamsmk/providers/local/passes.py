"""In how many passes of the model the prompts of a batch are read.

Contract: passes are a matter of speed alone. A pass pads its prompts to the longest one, and each pass costs something
by itself: they are cut where the padding saved is worth more than that.

Measured on one core with SmolLM2-135M in float32: a token of a long prompt takes 2.5 ms, and a pass by itself 40 ms; 16
prompts of 326 tokens take 13.9 s at once and 12.6 s in fours, which the core's cache holds better.
"""

from __future__ import annotations

from collections.abc import Sequence

# What a pass costs by itself, and what joining its rows with others does, in tokens of a prompt.
PASS_TOKENS = 64
# The most tokens of a pass of several prompts.
MOST_TOKENS = 2048


def in_passes(lengths: Sequence[int]) -> list[slice]:
    """Returns the parts of a batch that are read in one pass each, at the least cost.

    Args:
        lengths: Tokens of each prompt, the longest first.
    """
    costs, begins = [0], [0]
    for end in range(1, len(lengths) + 1):
        padded = {begin: lengths[begin] * (end - begin) for begin in range(end)}
        fitting = [begin for begin, tokens in padded.items() if tokens <= MOST_TOKENS or begin == end - 1]
        begins.append(min(fitting, key=lambda begin: costs[begin] + padded[begin]))
        costs.append(costs[begins[-1]] + padded[begins[-1]] + PASS_TOKENS)
    found: list[slice] = []
    end = len(lengths)
    while end:
        found.append(slice(begins[end], end))
        end = begins[end]
    return found[::-1]
