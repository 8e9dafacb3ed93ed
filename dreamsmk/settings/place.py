"""Where in a config or in a rule's params a value stands, for messages."""

from __future__ import annotations

from dataclasses import dataclass

# Keys that end so hold secrets. `max_tokens`, `pad_token` and their like hold none.
_SECRETS = (
    *("api_key", "apikey", "access_key", "private_key", "secret_key"),
    *("password", "passwd", "secret", "authorization", "credential", "credentials"),
    *("access_token", "api_token", "auth_token", "bearer_token", "hf_token", "session_token"),
)


@dataclass(frozen=True, slots=True)
class Place:
    """A key path inside something that has a name.

    Attributes:
        where: What the path is a path in: `config`, `rule tweets`, a file.
        parts: The keys and list positions that lead to the value.
    """

    where: str
    parts: tuple[str | int, ...] = ()

    def at(self, *parts: str | int) -> Place:
        """Returns the place of a value inside this one."""
        return Place(self.where, (*self.parts, *parts))

    @property
    def is_private(self) -> bool:
        """Whether the value there may be a secret, so that no message may show it."""
        names = [part for part in self.parts if isinstance(part, str)]
        return any(is_secret(name) or name.endswith("_env") for name in names)

    def __str__(self) -> str:
        path = ""
        for part in self.parts:
            if isinstance(part, str) and part.replace("-", "_").isidentifier():
                path += f".{part}" if path else part
            else:
                path += f"[{part!r}]"
        return f"{path} in {self.where}" if path else self.where


def is_secret(name: str) -> bool:
    """Says whether a key of this name holds a secret: `api_key`, `openai-api-key`, `Authorization`."""
    plain = name.lower().replace("-", "_")
    return plain == "token" or f"_{plain}".endswith(tuple(f"_{ending}" for ending in _SECRETS))


def position(parts: tuple[str | int, ...]) -> str:
    """Returns a position as a JSON pointer (RFC 6901) without its first slash: `columns/0`."""
    return "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in parts)
