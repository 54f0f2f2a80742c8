"""Values from outside as templates know them. Loads neither Jinja2 nor the compiler."""

from __future__ import annotations

from collections.abc import Mapping

from pmgsync.errors import InvalidError
from pmgsync.render.perl.values import Value, text
from pmgsync.render.recording import Recorder


def adopted(value: object) -> Value:
    """A value from outside as a template may use it: text as bytes, true and false as 1 and 0.

    Raises `InvalidError` for text with half of a character in it, which JSON can write.
    """
    if isinstance(value, str):
        return value if value.isascii() else _as_bytes(value)
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if value is None or isinstance(value, int | float | Recorder):
        return value
    if isinstance(value, Mapping):
        return {text(adopted(key)): adopted(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [adopted(inner) for inner in value]
    raise TypeError(f"{type(value).__name__} is no value for a template")


def _as_bytes(value: str) -> str:
    try:
        return value.encode("utf-8", "surrogateescape").decode("latin-1")
    except UnicodeEncodeError as error:
        half = value[error.start].encode("unicode_escape").decode("ascii")
        raise InvalidError(f"{half} is half of a character", where="a variable") from None
