"""The HTTP/1.1 of the local API: the head of a request is read, an answer is written, no more.

The standard library's server brings its e-mail package along, a megabyte on every node for five
lines of text. Here a head is bounded in each direction before it is looked at, and what is not a
request of this API is a `Refusal`, with the status that HTTP has for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

MAX_LINE = 64 << 10
MAX_HEADERS = 100
METHODS = ("GET", "POST")
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
"""What a client waits for that asked before it sends its body (curl does)."""


class Lines(Protocol):
    """What a head is read from."""

    def readline(self, limit: int, /) -> bytes:
        """The next line with its end, or its first `limit` bytes; empty at the end."""


@dataclass(frozen=True, slots=True)
class Head:
    """A request without its body; names of headers in lower case."""

    method: str
    target: str
    version: str
    headers: Mapping[str, str]

    @property
    def closes(self) -> bool:
        """Is the connection to be closed after the answer?"""
        wish = self.headers.get("connection", "").lower()
        return wish == "close" or (self.version == "HTTP/1.0" and wish != "keep-alive")

    @property
    def waits(self) -> bool:
        """Does the client wait for `CONTINUE`?"""
        return self.headers.get("expect", "").lower() == "100-continue"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Not a request of this API, in one line; nothing more can be read from the connection."""

    status: int
    what: str


def read_head(stream: Lines) -> Head | Refusal | None:
    """The head of the next request; None at the end of the stream."""
    line = stream.readline(MAX_LINE + 1)
    if line in (b"\r\n", b"\n"):  # some clients send one after a body
        line = stream.readline(MAX_LINE + 1)
    if not line:
        return None
    first = _request_line(line)
    if isinstance(first, Refusal):
        return first
    headers = _read_headers(stream)
    if isinstance(headers, Refusal):
        return headers
    method, target, version = first
    if method not in METHODS:
        return Refusal(501, "Unsupported method; GET and POST are known")
    return Head(method, target, version, headers)


def _request_line(line: bytes) -> list[str] | Refusal:
    """Method, target and version."""
    if len(line) > MAX_LINE:
        return Refusal(414, "the request line is too long")
    words = line.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/"):  # noqa: PLR2004 - the three
        return Refusal(400, "Bad request line")
    if words[2] not in ("HTTP/1.1", "HTTP/1.0"):
        return Refusal(505, "Invalid HTTP version")
    return words


def _read_headers(stream: Lines) -> dict[str, str] | Refusal:
    headers: dict[str, str] = {}
    for _ in range(MAX_HEADERS + 1):
        line = stream.readline(MAX_LINE + 1)
        if line in (b"\r\n", b"\n"):
            return headers
        name, colon, value = line.decode("latin-1").partition(":")
        if len(line) > MAX_LINE:
            break
        if not colon or not line.endswith(b"\n") or name.strip() != name:
            return Refusal(400, "Bad header")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Refusal(431, "the headers are too long or too many")


def answer(status: int, body: bytes, *, closes: bool) -> bytes:
    """An answer with a JSON `body`; `closes`: nothing follows on this connection."""
    lines = [
        f"HTTP/1.1 {status} {'OK' if status < 400 else 'Refused'}",  # noqa: PLR2004 - HTTP's own line
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(["Connection: close"] if closes else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode("ascii") + body
