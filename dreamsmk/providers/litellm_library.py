"""The package `litellm`, loaded and quiet: no network, no retries, no cache, no log of its own.

Contract: LiteLLM's errors become ours here and nowhere else. Its messages go on without what looks like a secret of the
environment, because its keys are in variables that only it knows.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import time
import warnings
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from dreamsmk.errors import ProviderError, RequestRejected, ServiceUnavailable
from dreamsmk.providers.http_status import one_line, status_error

SERVICE = "litellm"
SECRET_ENDINGS = ("_KEY", "_TOKEN", "_SECRET", "_KEY_ID", "_PASSWORD", "_CREDENTIALS")
SHORTEST_SECRET = 8
FINISH_SECONDS = 2.0
LOGGERS = ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router")


# Any: the module, whose types mypy would take minutes for.
@functools.cache
def load_litellm() -> Any:
    """Returns the module, with everything that it does beside asking switched off."""
    # without it the import itself asks a server for prices
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        litellm: Any = import_module("litellm")
    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.drop_params = False
    litellm.modify_params = False
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return litellm


def library_error() -> type[Exception]:
    """Returns the root of LiteLLM's exceptions."""
    root: type[Exception] = import_module("openai").OpenAIError
    return root


def translated(error: Exception) -> ProviderError:
    """Returns the exception for one of LiteLLM's, which are children of the openai package's."""
    words = without_secrets(one_line(str(error)))
    status = _status(error)
    name = type(error).__name__
    if name == "Timeout":
        return ServiceUnavailable(f"{SERVICE} got no reply in time: {words}", status=_status(error))
    if name == "UnsupportedParamsError":
        words = words.partition("To drop these")[0].strip()
        return RequestRejected(f"{SERVICE} says: {words}", hint="leave the value out")
    if status is None:
        return ServiceUnavailable(f"{SERVICE} cannot be reached: {words}")
    return status_error(status, words, _headers(error), service=SERVICE, code=getattr(error, "code", None))


def without_secrets(text: str) -> str:
    """Returns a text without the values of environment variables whose names say that they are secret."""
    for name, value in os.environ.items():
        if name.upper().endswith(SECRET_ENDINGS) and len(value) >= SHORTEST_SECRET:
            text = text.replace(value, "***")
    return text


async def close_clients() -> None:
    """Closes the connections that LiteLLM keeps for the running loop, and ends its task in it."""
    litellm = load_litellm()
    worker: Any = import_module("litellm.litellm_core_utils.logging_worker")
    await _finish(worker.GLOBAL_LOGGING_WORKER)
    # the clients of the openai package are not closed by LiteLLM's own function
    for client in list(litellm.in_memory_llm_clients_cache.cache_dict.values()):
        if type(client).__name__ in {"AsyncOpenAI", "AsyncAzureOpenAI"}:
            await client.close()
    await litellm.close_litellm_async_clients()
    # the clients are kept by the number of their loop, which another loop may get
    litellm.in_memory_llm_clients_cache.flush_cache()


# Any: LiteLLM's own worker.
async def _finish(worker: Any) -> None:
    # its `stop` drops coroutines that have not begun, which Python warns of
    deadline = time.monotonic() + FINISH_SECONDS
    await worker.flush()
    while worker._running_tasks and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    await worker.stop()


def _status(error: BaseException) -> int | None:
    status = getattr(error, "status_code", None)
    inner = error.__cause__ or error.__context__
    if type(error).__name__ in {"APIConnectionError", "Timeout"} and inner is not None:
        # LiteLLM's own errors have statuses that no service sent: that one is one level below
        status = getattr(inner, "status_code", None)
    return status if isinstance(status, int) and 300 <= status < 600 else None


def _headers(error: Exception) -> Mapping[str, str]:
    headers = getattr(getattr(error, "response", None), "headers", None)
    told = getattr(error, "litellm_response_headers", None) or headers
    return told if isinstance(told, Mapping) else {}
