"""The clients that are measured side by side; each runs in a process of its own, with the Python of its own venv."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """One client.

    Attributes:
        name: What it is called in the table; its module here is `module`.
        venv: The folder of its venv; empty for the Python that runs the benchmark.
        packages: What pip puts into that venv.
    """

    name: str
    module: str
    venv: str
    packages: tuple[str, ...] = ()


# What was current at the last release of DataDreamer: it does not start with anything newer.
_DATADREAMER = (
    "datadreamer.dev",
    "accelerate<1.4",
    "datasets<3.3",
    "openai<1.70",
    "peft<0.15",
    "pyarrow<21",
    "sentence-transformers<3.5",
    "setuptools<80",
    "transformers<4.50",
    "trl<0.15",
)
# A venv each: they do not agree on the versions of what lies below them.
CLIENTS = (
    Peer("lm-deluge", "deluge_client", "lm_deluge", ("lm-deluge",)),
    Peer("openai SDK, aiohttp transport", "openai_aiohttp", "openai", ("openai[aiohttp]",)),
    Peer("openai SDK", "openai_default", "openai", ("openai[aiohttp]",)),
    Peer("DSPy", "dspy_client", "dspy", ("dspy",)),
    Peer("Curator", "curator_client", "curator", ("bespokelabs-curator",)),
    Peer("distilabel", "distilabel_client", "distilabel", ("distilabel[openai]", "requests")),
    Peer("LiteLLM", "litellm_client", "litellm", ("litellm", "diskcache")),
    Peer("LangChain", "langchain_client", "langchain", ("langchain-openai", "langchain-community")),
    Peer("DataDreamer", "datadreamer_client", "datadreamer", _DATADREAMER),
)
STORES = (
    Peer("diskcache", "diskcache_store", "stores", ("diskcache", "sqlitedict")),
    Peer("sqlitedict", "sqlitedict_store", "stores", ("diskcache", "sqlitedict")),
    Peer("LiteLLM's disk cache", "litellm_store", "litellm", ("litellm", "diskcache")),
    Peer("LangChain's SQLiteCache", "langchain_store", "langchain", ("langchain-openai", "langchain-community")),
)
BARE = Peer("bare aiohttp", "aiohttp_loop", "")
OURS = Peer("dreamsmk", "ours", "")
