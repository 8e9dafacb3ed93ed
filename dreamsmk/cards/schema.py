"""The JSON Schema of a card (`schema.json`), and the check that every card passes before it is written."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from dreamsmk.errors import CardError


# Any: JSON Schema.
@cache
def card_schema() -> Mapping[str, Any]:
    """Returns the JSON Schema (draft 2020-12) of a card."""
    schema: Mapping[str, Any] = json.loads(files("dreamsmk.cards").joinpath("schema.json").read_text("utf-8"))
    return schema


# Any: JSON.
def check_card(card: Mapping[str, Any]) -> None:
    """Checks a card against its schema.

    Raises:
        CardError: It is not valid; the message names the first field that is wrong.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    wrong = best_match(Draft202012Validator(card_schema()).iter_errors(card))
    if wrong is not None:
        words = " ".join(wrong.message.split())
        raise CardError(
            f"the card is not valid: {words if len(words) <= 200 else words[:199] + '…'}",
            where=wrong.json_path,
            hint="a record that was written by another version of dreamsmk? build the target again",
        )
