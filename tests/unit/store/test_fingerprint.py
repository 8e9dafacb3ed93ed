"""What participates in the identity of a computation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dreamsmk.errors import IdentityError
from dreamsmk.store import Preimage

PREIMAGE = Preimage(
    task="prompt",
    version="1",
    params={"n": 1, "chosen": "a", "rejected": "b"},
    models={"model": {"provider": "openai", "model": "m"}},
    inputs={"chosen": ["xxh3:1"], "rejected": ["xxh3:2", "xxh3:3"]},
    outputs={"table": "table"},
    code={"function": "sha256:1"},
)


@pytest.mark.parametrize(
    "change",
    [
        {"task": "other"},
        {"version": "2"},
        {"params": {"n": True, "chosen": "a", "rejected": "b"}},
        {"params": {"n": 1, "chosen": "b", "rejected": "a"}},
        {"params": {"n": "1", "chosen": "a", "rejected": "b"}},
        {"params": {"n": 1, "chosen": "a", "rejected": "b", "seed": None}},
        {"models": {"model": {"provider": "openai", "model": "m", "base_url": "http://x"}}},
        {"models": {"judge": {"provider": "openai", "model": "m"}}},
        {"inputs": {"rejected": ["xxh3:1"], "chosen": ["xxh3:2", "xxh3:3"]}},
        {"inputs": {"chosen": ["xxh3:1"], "rejected": ["xxh3:3", "xxh3:2"]}},
        {"inputs": {"chosen": ["xxh3:1", "xxh3:2"], "rejected": ["xxh3:3"]}},
        {"outputs": {"table": "file"}},
        {"code": {"function": "sha256:2"}},
    ],
)
def test_every_part_participates(change: dict[str, Any]) -> None:
    assert replace(PREIMAGE, **change).fingerprint() != PREIMAGE.fingerprint()


def test_the_order_of_names_does_not_count() -> None:
    turned = replace(PREIMAGE, params=dict(reversed(PREIMAGE.params.items())))
    assert turned.fingerprint() == PREIMAGE.fingerprint()


def test_a_value_without_a_canonical_form_is_an_error_that_names_it() -> None:
    with pytest.raises(IdentityError, match="params"):
        replace(PREIMAGE, params={"n": float("nan")}).fingerprint()
