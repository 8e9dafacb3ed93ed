"""The one canonical form of a JSON value: RFC 8785 (JCS), as UTF-8 bytes.

Contract: two values have the same bytes exactly when they are the same JSON value. Tuples are lists, any `Mapping` is
an object, and members of `str`, `int` and `float` subclasses are their plain value. `true` is never `1`. JSON knows
one kind of number, so that `1` and `1.0`, and `0` and `-0.0`, are the same. Whatever has no canonical form (NaN,
infinities, integers beyond ±(2^53 - 1), keys that are not text, sets, bytes, other objects, lone surrogates) is an
`IdentityError` that names the key path, never left out.

Most values hold no floats and only plain keys. For those `orjson` writes the same bytes as `rfc8785`, some sixty
times faster; every other value goes to `rfc8785`.
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from dreamsmk.errors import IdentityError

MAX_SAFE_INTEGER = 2**53 - 1
MAX_DEPTH = 200
# RFC 8785 sorts keys by UTF-16 units, orjson by UTF-8 bytes: alike as long as all characters are below the surrogates.
_FIRST_SURROGATE = "\ud800"
_ORJSON_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER


def canonical_bytes(value: object) -> bytes:
    """Returns the RFC 8785 form of a JSON value.

    Raises:
        IdentityError: The value, or something in it, has no canonical form.
    """
    plain = value if _is_plain(value, 0) else _without_whole_floats(value, 0)
    if _is_plain(plain, 0):
        try:
            return orjson.dumps(plain, option=_ORJSON_OPTIONS)
        except (orjson.JSONEncodeError, TypeError):
            pass  # a lone surrogate, which the walk below names
    import rfc8785

    encoded: bytes = rfc8785.dumps(_checked(value, "", 0))
    return encoded


def _is_plain(value: object, depth: int) -> bool:
    """Tells whether orjson writes this value's canonical form; a lone surrogate in a text aside."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return -MAX_SAFE_INTEGER <= value <= MAX_SAFE_INTEGER  # type: ignore[operator]  # kind is int
    if kind is float:
        # alike in this range, whole numbers aside: 1.0 is 1 in RFC 8785
        return 1e-5 < abs(value) < 1e15 and not value.is_integer()  # type: ignore[arg-type,attr-defined]  # kind is float
    if depth >= MAX_DEPTH:
        return False
    if kind is dict:
        members = value.items()  # type: ignore[attr-defined]  # kind is dict
        return all(_is_plain_key(key) and _is_plain(member, depth + 1) for key, member in members)
    return (kind is list or kind is tuple) and all(_is_plain(member, depth + 1) for member in value)  # type: ignore[attr-defined]  # a list or tuple


def _without_whole_floats(value: object, depth: int) -> object:
    """Returns the value with whole floats as integers, which they are in RFC 8785: `1.0` is `1`."""
    kind = type(value)
    if kind is float and abs(value) < MAX_SAFE_INTEGER and value.is_integer():  # type: ignore[arg-type,attr-defined]  # kind is float
        return int(value)  # type: ignore[call-overload]  # kind is float
    if depth >= MAX_DEPTH:
        return value
    if kind is dict:
        members = value.items()  # type: ignore[attr-defined]  # kind is dict
        return {key: _without_whole_floats(member, depth + 1) for key, member in members}
    if kind is list or kind is tuple:
        return [_without_whole_floats(member, depth + 1) for member in value]  # type: ignore[attr-defined]  # a list or tuple
    return value


def _is_plain_key(key: object) -> bool:
    return type(key) is str and (key.isascii() or max(key) < _FIRST_SURROGATE)


def _checked(value: object, path: str, depth: int) -> object:
    """Returns the value as plain dicts, lists, texts and numbers, or raises for what is none of them."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _checked_text(str.__str__(value), path)
    if isinstance(value, int):
        return _checked_integer(int(value), path)
    if isinstance(value, float):
        return _checked_float(float(value), path)
    if depth >= MAX_DEPTH and isinstance(value, (Mapping, list, tuple)):
        raise IdentityError(f"a value nested more than {MAX_DEPTH} levels deep has no canonical form")
    if isinstance(value, Mapping):
        return {
            _checked_key(key, path): _checked(member, _member_path(path, key), depth + 1)
            for key, member in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_checked(member, f"{path}[{index}]", depth + 1) for index, member in enumerate(value)]
    raise _error(
        f"a value of type {type(value).__name__} has no canonical form",
        path,
        hint="use text, whole numbers, floats, booleans, null, lists and mappings",
    )


def _checked_text(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as exc:
        raise _error(f"the text {text[:40]!r} is not valid Unicode: it has a lone surrogate", path) from exc
    return text


def _checked_integer(number: int, path: str) -> int:
    if -MAX_SAFE_INTEGER <= number <= MAX_SAFE_INTEGER:
        return number
    raise _error(
        f"an integer of {number.bit_length()} bits has no canonical form: JSON has ±(2^53 - 1)",
        path,
        hint="write it as text",
    )


def _checked_float(number: float, path: str) -> float:
    if number - number == 0:
        return number
    raise _error(f"the number {number} has no canonical form", path, hint="use null where there is no number")


def _checked_key(key: object, path: str) -> str:
    if isinstance(key, str):
        return _checked_text(str.__str__(key), path)
    raise _error(f"the key {key!r} is not text", path, hint="write the key in quotes")


def _member_path(path: str, key: object) -> str:
    if isinstance(key, str) and key.isidentifier():
        return f"{path}.{key}" if path else key
    return f"{path}[{key!r}]"


def _error(what: str, path: str, *, hint: str = "") -> IdentityError:
    return IdentityError(what, where=path, hint=hint)
