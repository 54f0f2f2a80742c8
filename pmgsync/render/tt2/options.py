"""The parse options of Template Toolkit, by the names that its manual gives them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from pmgsync.errors import UsageError

TAG_STYLES: Mapping[str, tuple[str, str, str]] = {
    # style: start, end, and what opens an outline tag at the start of a line ("" for none)
    "outline": (r"\[%", r"%\]", "%%"),
    "default": (r"\[%", r"%\]", ""),
    "template": (r"\[%", r"%\]", ""),
    "tt2": (r"\[%", r"%\]", ""),
    "template1": (r"[\[%]%", r"%[\]%]", ""),
    "metatext": ("%%", "%%", ""),
    "html": ("<!--", "-->", ""),
    "mason": ("<%", ">", ""),
    "asp": ("<%", "%>", ""),
    "php": (r"<\?", r"\?>", ""),
    "star": (r"\[\*", r"\*\]", ""),
}
"""Regular expressions, as the toolkit has them."""


@dataclass(frozen=True)
class Options:
    """How a template is read. The defaults are those of `Template->new({})`, which PMG uses.

    PRE_CHOMP and POST_CHOMP: 0 none, 1 one line break, 2 collapse to a blank, 3 all white space.
    START_TAG and END_TAG are regular expressions.
    """

    PRE_CHOMP: int = 0
    POST_CHOMP: int = 0
    TRIM: bool = False
    INTERPOLATE: bool = False
    ANYCASE: bool = False
    V1DOLLAR: bool = False
    TAG_STYLE: str = "default"
    START_TAG: str = ""
    END_TAG: str = ""

    @property
    def tags(self) -> tuple[str, str, str]:
        """Start, end and outline tag as regular expressions."""
        start, end, outline = TAG_STYLES[self.TAG_STYLE]
        return self.START_TAG or start, self.END_TAG or end, outline


def options_from(words: list[str]) -> Options:
    """The options behind `NAME=VALUE` words; UsageError names the word that is wrong."""
    chosen = Options()
    kinds = {field.name: type(getattr(chosen, field.name)) for field in fields(Options)}
    for word in words:
        name, equals, value = word.partition("=")
        if name in kinds and not equals:
            raise UsageError("has no value", where=f"--option {word}", mend=f"write {word}=1, say")
        if name not in kinds:
            known = ", ".join(kinds)
            raise UsageError("is no parse option", where=f"--option {word}", mend=f"known: {known}")
        changed: dict[str, Any] = {name: _value(kinds[name], value, word)}
        chosen = replace(chosen, **changed)
    return chosen


def _value(kind: type, value: str, word: str) -> int | bool | str:
    if kind is str:
        return _tag_text(value, word)
    if kind is bool:
        return value not in ("", "0")
    if value not in ("0", "1", "2", "3"):
        raise UsageError("must be 0, 1, 2 or 3", where=f"--option {word}")
    return int(value)


def _tag_text(value: str, word: str) -> str:
    if word.startswith("TAG_STYLE="):
        if value not in TAG_STYLES:
            known = ", ".join(TAG_STYLES)
            raise UsageError("is no tag style", where=f"--option {word}", mend=f"known: {known}")
        return value
    try:
        re.compile(value, re.VERBOSE)
    except re.error as error:
        raise UsageError(f"is no regular expression: {error}", where=f"--option {word}") from None
    return value
