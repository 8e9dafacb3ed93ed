"""OpenAI's own client library: how it is opened for a model spec, and what its exceptions mean.

Contract: it is used for what is no model call (files, batches, fine-tuning jobs), and asks the same endpoint with the
same key as model calls do. What it raises becomes the errors of live calls, none of which holds the key.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dreamsmk.errors import MissingExtra, ServiceUnavailable
from dreamsmk.providers.credentials import without_key
from dreamsmk.providers.http_status import one_line, status_error

if TYPE_CHECKING:
    import openai

    from dreamsmk.providers.http_provider import HttpProvider

READ_RETRIES = 3
# Of a file, it is each part that must come so soon.
ANSWER_SECONDS = 60.0


def open_client(provider: HttpProvider) -> openai.OpenAI:
    """Returns a client for the endpoint of a provider; it repeats what fails for now a few times.

    Raises:
        MissingExtra: The package is not installed.
        MissingCredentials: There is no API key.
    """
    try:
        import openai
    except ImportError as exc:
        raise MissingExtra("openai", "openai") from exc
    spec = provider.spec
    return openai.OpenAI(
        api_key=provider.key(spec),
        base_url=provider.address(spec.base_url),
        max_retries=READ_RETRIES,
        timeout=min(spec.timeout_seconds, ANSWER_SECONDS),
    )


@contextmanager
def translated(client: openai.OpenAI, wanted: str) -> Iterator[None]:
    """Turns what the client raises in a `with` block into the errors of live calls.

    Args:
        client: The client.
        wanted: What is asked for, in a word: `batch`.
    """
    import httpx2
    import openai

    try:
        yield
    except openai.APIStatusError as error:
        message = error.body.get("message") if isinstance(error.body, dict) else None
        words = without_key(str(message or error.message), client.api_key)
        headers = error.response.headers
        failed = status_error(error.status_code, words, headers, service="openai", code=error.code)
    except openai.APITimeoutError:
        failed = ServiceUnavailable("openai did not answer in time", where=str(client.base_url))
    except (openai.APIConnectionError, httpx2.HTTPError) as error:
        words = without_key(one_line(str(error.__cause__ or error)), client.api_key)
        failed = ServiceUnavailable(f"openai cannot be reached: {words}", where=str(client.base_url))
    except (openai.APIResponseValidationError, ValueError) as error:
        # ValueError: what should have been JSON
        words = without_key(one_line(str(error)), client.api_key)
        failed = ServiceUnavailable(f"openai sent what is no {wanted}: {words}", where=str(client.base_url))
    else:
        return
    # the SDK's exceptions hold the request, and so the key
    raise failed from None
