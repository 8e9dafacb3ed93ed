"""Requests whose samples are the same in every run: no folder of this run is in their key."""

from __future__ import annotations

import dataclasses

from dreamsmk.requests import ModelIdentity, Request
from dreamsmk.settings import ModelSpec
from tests.wire.asking import make_request


def fixed_request(spec: ModelSpec, prompt: str = "Say something.", **values) -> Request:
    """Returns a request for a tiny model; `values` are those of `make_request`."""
    return dataclasses.replace(make_request(spec, prompt, **values), model=ModelIdentity(spec.provider, "tiny"))
