"""HTML, XML and URL escaping, as Template Toolkit's filters do it on bytes."""

from __future__ import annotations

from functools import cache

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()")
"""RFC 2732 and before: the toolkit's default."""

_URI = {code: f"%{code:02X}" for code in range(256) if chr(code) not in _UNRESERVED}
_URL = {code: escaped for code, escaped in _URI.items() if chr(code) not in ";/?:@&=+$,"}
_HTML = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})
_TAGS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_XML = _HTML | {ord("'"): "&apos;"}


def escape_tags(string: str) -> str:
    """`& < >`."""
    return string.translate(_TAGS)


def escape_html(string: str) -> str:
    """`& < > "`, but not `'`."""
    return string.translate(_HTML)


def escape_xml(string: str) -> str:
    """`& < > " '`."""
    return string.translate(_XML)


def escape_entities(string: str) -> str:
    """Every control character, `& < > " '` and every byte beyond ASCII, as HTML::Entities does."""
    return string.translate(_entities())


@cache
def _entities() -> dict[int, str]:
    from html.entities import codepoint2name  # large, and rarely wanted

    plain = {*range(0x20, 0x7F), *b"\t\n\r"} - {*b"&<>\"'"}
    named = {code: f"&{name};" for code, name in codepoint2name.items()}
    named[ord("'")] = "&#39;"
    return {code: named.get(code, f"&#{code};") for code in range(256) if code not in plain}


def escape_uri(string: str) -> str:
    """All but letters, digits and `-_.!~*'()`."""
    return string.translate(_URI)


def escape_url(string: str) -> str:
    """As escape_uri, but what separates the parts of a URL stays."""
    return string.translate(_URL)
