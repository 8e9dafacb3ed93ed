"""A service that trains the models of the examples of the rules, and answers as them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.wire.fine_tuning import FineTuningApi
from tests.wire.server import WireServer

# The rules whose examples need a service.
RULES = ("openai_fine_tune",)


@contextmanager
def service_of_examples() -> Iterator[dict[str, str]]:
    """Yields the environment in which the examples ask it."""
    with WireServer(extra_routes=FineTuningApi().routes) as server:
        yield {"OPENAI_BASE_URL": server.openai_url, "OPENAI_API_KEY": "sk-example-0123456789"}
