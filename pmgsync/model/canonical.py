"""Canonical JSON: the one byte form of every value that is signed, hashed or stored.

Sorted keys, no blanks, ASCII only, integers but no floats. Reading is strict and bounded: what has
no canonical form (a float, a member named twice, half of a surrogate pair) is refused, and `Fields`
hands out typed members and refuses missing, surplus and mistyped ones, so that a decoder is a list
of what it takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import NoReturn, TypeVar

from pmgsync.errors import MalformedError

MAX_DOCUMENT_BYTES = 64 << 20
MAX_COUNT = 2**53

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | bool | None

T = TypeVar("T")

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def encode(value: Json) -> bytes:
    """The canonical bytes of `value`."""
    return _ENCODER.encode(value).encode("ascii")


def text(value: str) -> bytes:
    """The canonical bytes of one string."""
    return encode_basestring_ascii(value).encode("ascii")


def decode(data: bytes, what: str, *, most: int = MAX_DOCUMENT_BYTES) -> Fields:
    """The object in `data`; `MalformedError` naming `what` if it is none, or above `most` bytes."""
    if len(data) > most:
        raise MalformedError(f"{what} is larger than {most} bytes")
    try:
        value: object = _DECODER.decode(data.decode("utf-8"))
        if _SURROGATE.search(data):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"{what} is not JSON: {error}") from None
    return Fields(value, what)


def _refuse(number: str) -> NoReturn:
    raise ValueError(f"{number[:20]} is not an integer")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("an object names a member twice")
    return members


# Made once: a new one for every small document costs more than the document.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)
_DECODER = json.JSONDecoder(parse_float=_refuse, parse_constant=_refuse, object_pairs_hook=_members)


class Fields:
    """A JSON object that is taken apart; `done()` refuses what nobody took."""

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, dict):
            raise MalformedError(f"{what} is not an object")
        self._rest: dict[str, object] = dict(value)
        self._what = what

    def has(self, name: str) -> bool:
        """Is there a member `name` that nobody has taken yet?"""
        return name in self._rest

    def take(self, name: str, kind: type[T]) -> T:
        """The member `name`, which must be exactly of type `kind` (a bool is no int)."""
        if name not in self._rest:
            raise MalformedError(f"{self._what} has no {name!r}")
        value = self._rest.pop(name)
        if not isinstance(value, kind) or type(value) is not kind:
            raise MalformedError(f"{self._what}: {name!r} is not {kind.__name__}")
        return value

    def optional(self, name: str, kind: type[T]) -> T | None:
        """The member `name`, or None where it is missing or null."""
        if self._rest.get(name) is None:
            self._rest.pop(name, None)
            return None
        return self.take(name, kind)

    def count(self, name: str, *, least: int = 0, most: int = MAX_COUNT) -> int:
        """The member `name`, an integer from `least` to `most`."""
        value = self.take(name, int)
        if not least <= value <= most:
            raise MalformedError(f"{self._what}: {name!r} is not within {least}..{most}")
        return value

    def optional_count(self, name: str) -> int | None:
        """The member `name`, an integer from 0 on, or None where it is missing or null."""
        if self._rest.get(name) is None:
            return self.optional(name, int)
        return self.count(name)

    def texts(self, name: str, *, exactly: int | None = None) -> list[str]:
        """The member `name`, a list of strings; `exactly` so many where that is given."""
        rows: list[object] = self.take(name, list)
        texts = [row for row in rows if isinstance(row, str)]
        if len(texts) != len(rows) or exactly not in {None, len(texts)}:
            number = "" if exactly is None else f"{exactly} "
            raise MalformedError(f"{self._what}: {name!r} is not a list of {number}strings")
        return texts

    def done(self) -> None:
        """Refuse members that nobody took."""
        if self._rest:
            raise MalformedError(f"{self._what} has an unknown {str(min(self._rest))[:80]!r}")
