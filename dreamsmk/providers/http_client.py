"""The one way in which service providers talk HTTP: a pool of connections that costs next to nothing a request.

Contract: one request is sent once. Whatever goes wrong on the way (no connection, a reset, half a reply, no JSON, no
reply in time) is a `ServiceUnavailable`; what the service answers beside 2xx is what `http_status` makes of it. The API
key lives in the headers of the open session alone: no message and no chained exception holds it. The vendors' clients
cost 1 to 2 ms of CPU a request, so that they are not used here.

Proxies come from the environment (HTTPS_PROXY, HTTP_PROXY, NO_PROXY), read once an endpoint: aiohttp's own `trust_env`
asks a thread for them at each request, and sends the passwords of ~/.netrc in the place of the API key.
"""

from __future__ import annotations

import asyncio
import json
import math
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import orjson

from dreamsmk.errors import ProviderError, RequestRejected, ServiceUnavailable
from dreamsmk.providers.credentials import without_key
from dreamsmk.providers.http_status import one_line, status_error

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.connector import AddrInfoType
    from yarl import URL

CONNECT_SECONDS = 15.0
# Replies may take minutes in which nothing is sent: routers forget such connections sooner.
KEEPALIVE_OPTIONS = {"TCP_KEEPIDLE": 60, "TCP_KEEPALIVE": 60, "TCP_KEEPINTVL": 30, "TCP_KEEPCNT": 6}

# A JSON object, and the headers that it came with. Any: JSON.
Answered = tuple[dict[str, Any], Mapping[str, str]]


class HttpClient:
    """The connections of one provider, opened by the first request in the loop that it is sent from.

    Args:
        service: The provider's name, for messages.
        timeout_seconds: How long one request may take.
    """

    def __init__(self, service: str, timeout_seconds: float) -> None:
        self._service = service
        self._timeout_seconds = timeout_seconds
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        # The URL and the proxy of each address that was asked.
        self._ways: dict[str, tuple[URL, str | None]] = {}

    def open(self, headers: Mapping[str, str]) -> None:
        """Opens the pool in the running loop, with the headers that go with every request."""
        import aiohttp

        self._loop = asyncio.get_running_loop()
        seconds = self._timeout_seconds
        self._session = aiohttp.ClientSession(
            # the engine's window is the only queue
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, socket_factory=_socket),
            headers={"content-type": "application/json", "accept": "application/json", **headers},
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, CONNECT_SECONDS)),
        )

    @property
    def is_open(self) -> bool:
        """Whether there is a pool in the running loop."""
        return self._session is not None and self._loop is asyncio.get_running_loop() and not self._session.closed

    async def close(self) -> None:
        """Closes the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    # Any: JSON.
    async def post(self, address: str, body: Mapping[str, Any], *, key: str) -> Answered:
        """Sends one body and returns the JSON object that comes back, and the reply's headers.

        Args:
            address: The URL.
            body: The JSON object to send.
            key: The API key, to keep it out of messages.

        Raises:
            ServiceUnavailable: No usable reply came this time.
            RequestRejected: The service refuses the request for good.
        """
        try:
            sent = orjson.dumps(body)
        except orjson.JSONEncodeError as error:
            raise RequestRejected(f"the request is no JSON: {error}") from error
        return await self._ask("POST", address, sent, key)

    # Any: JSON.
    async def get(self, address: str, *, key: str) -> dict[str, Any]:
        """Returns the JSON object at an address; fails as `post` does."""
        return (await self._ask("GET", address, None, key))[0]

    async def _ask(self, method: str, address: str, sent: bytes | None, key: str) -> Answered:
        import aiohttp

        assert self._session is not None
        try:
            url, proxy = self._ways.get(address) or self._way(address)
            async with self._session.request(method, url, data=sent, proxy=proxy, allow_redirects=False) as reply:
                status, headers, content = reply.status, reply.headers, await reply.read()
        # without the cause: aiohttp's exceptions carry the headers of the request, and so the key
        except (TimeoutError, aiohttp.ClientError, ValueError) as error:
            failed = self._failed(error, address, key)
        else:
            if 200 <= status < 300:
                return self._object(content, key), headers
            failed = self._refused(status, headers, content, key)
        raise failed

    def _way(self, address: str) -> tuple[URL, str | None]:
        from yarl import URL

        self._ways[address] = way = (URL(address), environment_proxy(address))
        return way

    def _failed(self, error: Exception, address: str, key: str) -> ProviderError:
        import aiohttp

        place = _place(address)
        said = error.message if isinstance(error, aiohttp.ClientResponseError) else str(error)
        words = one_line(without_key(said or type(error).__name__, key))
        if isinstance(error, TimeoutError):
            return ServiceUnavailable(
                f"{self._service} did not answer in time", where=place, hint="raise timeout_seconds of the model"
            )
        if isinstance(error, aiohttp.NonHttpUrlClientError | ValueError) and not isinstance(error, OSError):
            return RequestRejected(f"{self._service} has no such address: {words}", where=place, hint="check base_url")
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return RequestRejected(f"the certificate of {self._service} is not trusted: {words}", where=place)
        if isinstance(error, aiohttp.ClientPayloadError):
            return ServiceUnavailable(f"{self._service} sent half a reply", where=place)
        return ServiceUnavailable(f"{self._service} cannot be reached: {words}", where=place)

    def _refused(self, status: int, headers: Mapping[str, str], content: bytes, key: str) -> ProviderError:
        text = content.decode("utf-8", "replace")
        words, code = _words(text)
        if status in range(300, 400):
            words = f"it moved to {_place(headers.get('location', ''))}, as base_url must say"
        return status_error(
            status, without_key(words or "no reason given", key), headers, service=self._service, code=code
        )

    # Any: JSON.
    def _object(self, content: bytes, key: str) -> dict[str, Any]:
        try:
            value = orjson.loads(content)
        except orjson.JSONDecodeError:
            value = _lenient(content)
        if not isinstance(value, dict):
            # before it is cut: half a key is one too
            words = one_line(without_key(content.decode("utf-8", "replace"), key))[:100]
            raise ServiceUnavailable(f"{self._service} sent no JSON object: {words}")
        if value.get("error"):
            # an error with the status of a reply, whose words may repeat the key
            value = dict(orjson.loads(without_key(orjson.dumps(value).decode(), key)))
        return value


def _socket(address: AddrInfoType) -> socket.socket:
    made = socket.socket(*address[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE_OPTIONS.items():
        # each system has some of them
        if (option := getattr(socket, name, None)) is not None:
            made.setsockopt(socket.IPPROTO_TCP, option, value)
    return made


def environment_proxy(address: str) -> str | None:
    """Returns the proxy that the environment names for an address, or None."""
    import urllib.request

    parts = urlsplit(address)
    proxies = urllib.request.getproxies()
    if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


# Any: JSON.
def _lenient(content: bytes) -> Any:
    # some servers write NaN or Infinity for the log probabilities of impossible tokens
    try:
        return json.loads(content, parse_constant=lambda name: None if name == "NaN" else _bounded(name))
    except ValueError:
        return None


def _bounded(name: str) -> float:
    # what OpenAI writes for a token that is out of the question
    return math.copysign(9999.0, float(name))


def _words(text: str) -> tuple[str, str | None]:
    """Returns what a service says about an error, and its own code for it, where it gives one."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text, None
    if not isinstance(value, dict):
        return text, None
    error = value.get("error")
    if not isinstance(error, dict):
        # FastAPI's servers say `detail`, others `message`, or write the words in the place of the object
        said = error or value.get("message") or value.get("detail")
        return (said if isinstance(said, str) else text), None
    words, code = error.get("message"), error.get("code") or error.get("type")
    return (words if isinstance(words, str) and words else text), (code if isinstance(code, str) else None)


def _place(address: str) -> str:
    """Returns an address without what it should not hold: a user name, a password, a query."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
