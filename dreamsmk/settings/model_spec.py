"""One entry under `models:` in the config: which model answers, how it samples, and how it is run.

Contract: every field belongs to exactly one of four groups, told by its metadata. `identity` and `sampling` decide
replies, so they are part of fingerprints and call keys. `execution` decides only how fast and how reliably replies
come, `about` only what cards say: neither is ever part of a fingerprint.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dreamsmk.settings.fields import Group, required, setting

# A password in an endpoint would end up in cards.
ENDPOINT = "^https?://[^/@ ]+(/[^ ]*)?$"
ENVIRONMENT_NAME = "^[A-Za-z_][A-Za-z0-9_]*$"
# The first two are always given together.
PRICES = ("input_usd_per_million", "output_usd_per_million", "cached_input_usd_per_million")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One entry under `models:`."""

    provider: str = required("identity", "Who serves the model.", minLength=1)
    model: str = required(
        "identity", "The model's id at the provider or on the Hub, or the folder of a local model.", minLength=1
    )
    revision: str | None = setting("identity", "Commit, tag or dated snapshot.")
    adapter: str | None = setting("identity", "Adapter on top of the model: an id on the Hub or a folder.")
    quantization: str | None = setting("identity", "Quantization scheme of a local model.")
    dtype: str | None = setting(
        "identity", "Number format of a local model's weights.", enum=["float32", "bfloat16", "float16"]
    )
    base_url: str | None = setting(
        "identity",
        "Endpoint of an OpenAI-compatible server; the provider's own if absent.",
        pattern=ENDPOINT,
        hint="write http://host/path or https://host/path, without a user name or a password",
    )
    api: str | None = setting(
        "identity",
        "Which of the provider's APIs is asked: `chat`, `responses` or `completions` (text without a chat template);"
        " the provider's usual one if absent.",
        enum=["chat", "responses", "completions"],
    )
    chat_template: str | None = setting("identity", "Jinja chat template that replaces the tokenizer's own.")
    options: Mapping[str, Any] = setting("identity", "Whatever else the provider takes that changes replies.", {})

    temperature: float | None = setting("sampling", "Default sampling temperature.", minimum=0)
    top_p: float | None = setting("sampling", "Default nucleus probability.", exclusiveMinimum=0, maximum=1)
    top_k: int | None = setting("sampling", "Default number of most likely tokens to choose from.", minimum=1)
    min_p: float | None = setting(
        "sampling", "Default least probability relative to the most likely token.", minimum=0, maximum=1
    )
    max_tokens: int | None = setting("sampling", "Default limit of new tokens.", minimum=1)
    stop: tuple[str, ...] = setting("sampling", "Default texts at which a reply is cut.", ())
    seed: int | None = setting("sampling", "Default seed, for providers that take one.")
    presence_penalty: float | None = setting("sampling", "Default presence penalty.")
    frequency_penalty: float | None = setting("sampling", "Default frequency penalty.")
    repetition_penalty: float | None = setting("sampling", "Default repetition penalty.", exclusiveMinimum=0)

    batch_size: int = setting("execution", "Rows that a local model generates for at once.", 16, minimum=1)
    max_concurrency: int = setting("execution", "Requests in flight at a service, at most.", 64, minimum=1)
    max_retries: int = setting("execution", "How often a request that can be retried is sent again.", 8, minimum=0)
    timeout_seconds: float = setting("execution", "How long one request may take.", 600.0, exclusiveMinimum=0)
    requests_per_minute: int | None = setting(
        "execution", "Requests that all jobs together send in a minute, at most.", minimum=1
    )
    tokens_per_minute: int | None = setting(
        "execution", "Tokens, in and out, that all jobs together use in a minute, at most.", minimum=1
    )
    replicas: tuple[str, ...] = setting(
        "execution",
        "Further endpoints that serve the very same model as `base_url`; the requests are spread over all of them.",
        (),
        items={"type": "string", "pattern": ENDPOINT},
    )
    devices: tuple[str, ...] = setting(
        "execution", "Devices that each hold a copy of a local model; the rows are spread over all of them.", ()
    )
    mode: str = setting(
        "execution",
        "`live`, or `batch`: requests go through the service's batch API, for half the price and within a day.",
        "live",
        enum=["live", "batch"],
    )
    device: str | None = setting("execution", "Device of a local model; the job's GPU, else the CPU, if absent.")
    api_key_env: str | None = setting(
        "execution",
        "Environment variable that holds the API key; the provider's usual one if absent.",
        pattern=ENVIRONMENT_NAME,
        hint="give the name of the variable, never the key itself",
    )

    license: str | None = setting("about", "Licence of the model or of its outputs, for cards.")
    url: str | None = setting("about", "Where to read more about the model, for cards.")
    card_url: str | None = setting("about", "Where the model's own card stands, for cards.")
    citation: str | None = setting("about", "BibTeX entry, for cards.")
    prices: Mapping[str, float] = setting(
        "about",
        "What calls cost, in US dollars: `input_usd_per_million` and `output_usd_per_million` tokens, and"
        " `cached_input_usd_per_million` where the service has a lower price for those. It goes over the price list.",
        {},
        properties={name: {"type": "number", "minimum": 0} for name in PRICES},
        additionalProperties=False,
        required=list(PRICES[:2]),
    )

    # Any: values of fields of every type.
    def group(self, name: Group) -> dict[str, Any]:
        """Returns the fields of a group that are set, by name."""
        values = {f.name: getattr(self, f.name) for f in spec_fields(name)}
        return {k: (list(v) if isinstance(v, tuple) else v) for k, v in values.items() if v not in (None, (), {})}


# Any: the type parameter of Field has no meaning here.
def spec_fields(group: Group) -> list[dataclasses.Field[Any]]:
    """Returns the fields of `ModelSpec` that belong to a group, in the order in which they stand."""
    return [f for f in dataclasses.fields(ModelSpec) if f.metadata["group"] == group]
