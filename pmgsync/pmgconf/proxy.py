"""What PMG makes of `http_proxy`: host, port and credentials, as Perl's URI module takes them
apart.

The user and the password come escaped, the host unescaped, and one that is not ASCII as Punycode of
its single bytes. The last `@` ends the credentials; what follows the last `:` is a port only if it
is digits, which stay as they are (`080`).
"""

import re
from urllib.parse import quote_from_bytes, unquote_to_bytes

from pmgsync.pmgconf.values import Value

DEFAULT_PORT = "80"

_AUTHORITY = re.compile(r"http://([^/?#]*)")
_PORT = re.compile(r":([0-9]*)$")
_NOT_ESCAPED = ";/?:@&=+$,-_.!~*'()%#"
_ACE_PREFIX = b"xn--"
_LONGEST_LABEL = 63


def proxy_of(url: Value) -> dict[str, Value] | None:
    """`host`, `port`, and `username` and `password` where they are given; None for no proxy."""
    match = _AUTHORITY.match(url) if isinstance(url, str) else None
    if match is None:
        return None
    credentials, _, end = match[1].rpartition("@")
    port = _PORT.search(end)
    host = _host(end[: port.start()] if port and port[1] else end)
    if host in ("", "0"):  # false in Perl
        return None
    return {"host": host, "port": (port and port[1]) or DEFAULT_PORT, **_login(credentials)}


def _login(credentials: str) -> dict[str, Value]:
    data = credentials.encode("utf-8", "surrogateescape")
    username, colon, password = quote_from_bytes(data, _NOT_ESCAPED).partition(":")
    if credentials in ("", "0"):
        return {}
    return {"username": username, "password": password} if colon else {"username": username}


def _host(text: str) -> str:
    host = _in_ascii(text.encode("utf-8", "surrogateescape"))
    if host.startswith(b"[") and host.endswith(b"]"):
        host = host[1:-1]
    return unquote_to_bytes(host).decode("utf-8", "surrogateescape")


def _in_ascii(host: bytes) -> bytes:
    """The labels of `host` in ASCII; as they are where one of them has no such form."""
    labels = [_label(label) for label in host.removesuffix(b".").split(b".")]
    if any(not label or len(label) > _LONGEST_LABEL for label in labels):
        return host
    return b".".join(labels) + (b"." if host.endswith(b".") else b"")


def _label(label: bytes) -> bytes:
    if label.isascii():
        return label
    if label.lower().startswith(_ACE_PREFIX):
        return b""  # has no such form
    return _ACE_PREFIX + label.lower().decode("latin-1").encode("punycode")
