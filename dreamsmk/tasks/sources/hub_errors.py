"""What the Hub says no with, in our words.

Contract: every exception of `huggingface_hub`, and of the HTTP client under it, that a user can do something about
becomes a `ProviderError` here: for good (404, 403), for want of a token, or for now.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from dreamsmk.errors import (
    DreamsmkError,
    MissingCredentials,
    ProviderError,
    RequestRejected,
    ServiceUnavailable,
    SettingsError,
)

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

Kind = Literal["dataset", "model"]

_OFFLINE_HINT = "unset HF_HUB_OFFLINE, or fill the cache where there is a network"
_TOKEN_HINT = "set HF_TOKEN to a token that may read it"


@contextmanager
def telling(kind: Kind, name: str, revision: str | None = None) -> Iterator[None]:
    """Turns what the Hub's client raises over a repository into our errors.

    Raises:
        SettingsError: The name is none.
        ProviderError: The Hub said no, or cannot be reached.
    """
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.HFValidationError as exc:
        reason = str(exc).splitlines()[0]
        raise SettingsError(f"not a name of the Hub: {reason}", where="params.name", hint="as org/name") from exc
    except errors.HfHubHTTPError as exc:
        raise _told(kind, name, revision, exc) from exc
    except errors.OfflineModeIsEnabled as exc:
        what = f"offline, and the cache does not have all of the {kind} {name!r}"
        raise ServiceUnavailable(what, hint=_OFFLINE_HINT) from exc
    except errors.LocalEntryNotFoundError as exc:
        raise _unreachable(kind, name, exc) from exc
    except (httpx2.HTTPError, ConnectionError, TimeoutError) as exc:
        raise _unreachable(kind, name, exc) from exc
    except OSError as exc:
        if "Consistency check failed" in str(exc):  # the download ended too early (huggingface_hub 2.4)
            raise _unreachable(kind, name, exc) from exc
        raise


def _told(kind: Kind, name: str, revision: str | None, exc: HfHubHTTPError) -> ProviderError:
    """Returns the error that an answer of the Hub stands for."""
    from huggingface_hub import errors, get_token

    status = getattr(getattr(exc, "response", None), "status_code", None)
    has_token = get_token() is not None
    error: type[ProviderError] = RequestRejected
    where, hint = "", ""
    if isinstance(exc, errors.GatedRepoError):
        error = RequestRejected if has_token else MissingCredentials
        what = f"the {kind} {name!r} is gated: its authors want to know who reads it"
        hint = "ask for access on its page" + ("; this token has none" if has_token else ", then set HF_TOKEN")
    elif isinstance(exc, errors.RevisionNotFoundError):
        what, where = f"the {kind} {name!r} has no revision {revision!r}", "params.revision"
    elif isinstance(exc, errors.EntryNotFoundError):
        what = f"the {kind} {name!r} has no such file: {_path(exc)}"
    elif status in (401, 403) and (has_token or not isinstance(exc, errors.RepositoryNotFoundError)):
        error = MissingCredentials
        what, hint = f"the Hub does not let this token read {name!r}: {_said(exc)}", _TOKEN_HINT
    elif isinstance(exc, errors.RepositoryNotFoundError):
        what, where = f"the Hub has no {kind} {name!r} that everybody may read", "params.name"
        hint = f"check the name; if it is private, {_TOKEN_HINT}"
    elif status is None or status == 429 or status >= 500:
        error = ServiceUnavailable
        what, hint = f"the Hub cannot answer for {name!r}: {_said(exc)}", "try again later"
    else:
        what = f"the Hub says no to {name!r}: {_said(exc)}"
    return error(what, where=where, hint=hint, status=status)


def _said(exc: HfHubHTTPError) -> str:
    return (str(exc.server_message or exc).splitlines() or [type(exc).__name__])[0][:200]


def _path(exc: Exception) -> str:
    url = str(getattr(getattr(exc, "request", None), "url", ""))
    return url.split("/resolve/", 1)[-1].partition("/")[2] or url


def _unreachable(kind: Kind, name: str, exc: BaseException) -> DreamsmkError:
    from huggingface_hub import is_offline_mode

    if is_offline_mode():
        return ServiceUnavailable(
            f"offline, and the cache does not have all of the {kind} {name!r}", hint=_OFFLINE_HINT
        )
    cause = exc.__cause__ or exc
    reason = (str(cause).splitlines() or [type(cause).__name__])[0]
    return ServiceUnavailable(
        f"the Hub cannot be reached for the {kind} {name!r}: {reason[:150]}",
        hint="check the network; what was downloaded is kept. HF_HUB_OFFLINE=1 reads the cache alone",
    )
