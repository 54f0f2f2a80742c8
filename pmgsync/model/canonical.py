"""Canonical JSON: the one byte form of every value that is signed, hashed or stored.

Sorted keys, no blanks, ASCII only, integers but no floats. Reading is strict and bounded: `Fields` hands
out typed members and refuses missing, surplus and mistyped ones, so that a decoder is a list of what it takes.
"""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pmgsync.errors import MalformedError

MAX_DOCUMENT_BYTES = 64 << 20

Json = dict[str, Any] | list[Any] | str | int | bool | None

T = TypeVar("T")


def encode(value: Json) -> bytes:
    """The canonical bytes of `value`."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def decode(data: bytes, what: str) -> Fields:
    """The object in `data`; `MalformedError` naming `what` if it is not one JSON object of legal size."""
    if len(data) > MAX_DOCUMENT_BYTES:
        raise MalformedError(f"{what} is larger than {MAX_DOCUMENT_BYTES} bytes")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{what} is not JSON: {error}") from None
    return Fields(value, what)


class Fields:
    """A JSON object that is taken apart; `done()` refuses what nobody took."""

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, dict):
            raise MalformedError(f"{what} is not an object")
        self._rest: dict[str, object] = dict(value)
        self._what = what

    def take(self, name: str, kind: type[T]) -> T:
        """The member `name`, which must be exactly of type `kind` (a bool is no int)."""
        if name not in self._rest:
            raise MalformedError(f"{self._what} has no {name!r}")
        value = self._rest.pop(name)
        if type(value) is not kind:
            raise MalformedError(f"{self._what}: {name!r} is not {kind.__name__}")
        return value

    def optional(self, name: str, kind: type[T]) -> T | None:
        """The member `name`, or None where it is missing or null."""
        if self._rest.get(name) is None:
            self._rest.pop(name, None)
            return None
        return self.take(name, kind)

    def count(self, name: str, *, most: int = 2**53) -> int:
        """The member `name`, an integer from 0 to `most`."""
        value = self.take(name, int)
        if not 0 <= value <= most:
            raise MalformedError(f"{self._what}: {name!r} is not within 0..{most}")
        return value

    def done(self) -> None:
        """Refuse members that nobody took."""
        if self._rest:
            raise MalformedError(f"{self._what} has an unknown {min(self._rest)!r}")
