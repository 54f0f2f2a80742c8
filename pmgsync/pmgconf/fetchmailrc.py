r"""PMG's `fetchmailrc`: mailboxes to fetch mail from, bytes to values and back.

    ...                          the head: settings of fetchmail that PMG does not read
    # proxmox settings ...       the marker
    poll ID via "SERVER" ...     an account: words, some with an argument

What PMG reads is words, separated by blanks, wherever lines end; in `"..."` a `\xHH` is a byte. `#`
is nothing special there. At a word that it does not know, and at an argument that is missing or a
bare `0`, PMG gives up on the whole file; so the findings have an error then, and there are no
entries. It writes the file from a template; here the head stays, byte for byte, and the accounts
are written anew.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from pmgsync.pmgconf.file_kind import FileKind
from pmgsync.pmgconf.findings import Finding, Findings, Severity
from pmgsync.pmgconf.lists import decoded, encoded, shown

MARKER = b"# proxmox settings (PMG reads what follows; keep this line)\n"

PORTS = {
    ("pop3", False): "110",
    ("pop3", True): "995",
    ("imap", False): "143",
    ("imap", True): "993",
}
"""By protocol and TLS, where no port is given."""

ARGUMENTS = {
    "via": "server",
    "protocol": "protocol",
    "port": "port",
    "interval": "interval",
    "user": "user",
    "pass": "password",
    "to": "target",
    "sslproto": "sslproto",
}
"""Words with an argument, and the field of `Account` that it goes to."""

FLAGS = ("ssl", "keep", "dropdelivered")
"""Words without one."""

_KNOWN = ", ".join(["poll", "skip", *ARGUMENTS, *FLAGS])

_NO_MARKER = Finding(
    0,
    "has no line `# proxmox settings`, so PMG reads no account from it",
    mend="add that line above the accounts",
    severity=Severity.WARNING,
)

_MARKER = re.compile(rb"^#[ \t\r\f\v]+proxmox[ \t\r\f\v]+settings[^\n]*\n?", re.MULTILINE)
_TOKEN = re.compile(rb'("([^"]*)"|[^ \t\r\n\f\v]+)(?=[ \t\r\n\f\v]|$)')
_BYTE = re.compile(rb"\\x([0-9A-Fa-f]{2})")
_UNSAFE = re.compile(rb"[^A-Za-z0-9:@._~-]")
_SAFE_WORD = re.compile(r"[A-Za-z0-9:@._~-]+")


@dataclass(frozen=True, slots=True)
class Account:
    """One mailbox. A value that is not given is empty; its password stays out of its `repr`.

    `sslproto` is None where it is not given: fetchmail takes an empty one for "no TLS".
    """

    id: str
    enable: bool = True
    server: str = ""
    protocol: str = ""
    port: str = ""
    interval: str = ""
    user: str = ""
    password: str = field(default="", repr=False)
    target: str = ""
    ssl: bool = False
    keep: bool = False
    dropdelivered: bool = False
    sslproto: str | None = None
    line: int = 0


@dataclass(frozen=True, slots=True)
class Fetchmailrc:
    """What the file says: accounts by id, in the order of the file, and its head with the marker.

    `unread` is the line at which PMG gives up.
    """

    entries: Mapping[str, Account]
    findings: tuple[Finding, ...] = ()
    unread: tuple[int, ...] = ()
    unkept: tuple[int, ...] = ()
    head: bytes = b""


class Token(NamedTuple):
    """A word, what it says as an argument, and its line."""

    word: str
    argument: str
    line: int


class _GaveUpError(Exception):
    """PMG dies at a line of the file. Stays inside this module.

    It never shows the word: that may be half of a password with a blank in it.
    """

    def __init__(self, line: int, what: str, mend: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what
        self.mend = mend


def parse(data: bytes) -> Fetchmailrc:
    """What `data` says. Never raises."""
    marker = _MARKER.search(data)
    if marker is None:
        return Fetchmailrc({}, (_NO_MARKER,) if data.strip() else (), head=data)
    head = data[: marker.end()]
    tokens = _tokens(data[marker.end() :], head.count(b"\n") + (not head.endswith(b"\n")))
    accounts: dict[str, Account] = {}
    findings = Findings()
    try:
        for account in _accounts(tokens):
            if earlier := accounts.pop(account.id, None):
                what = f"{shown(account.id)} already stands in line {earlier.line}; this one counts"
                findings.warning(account.line, what, "remove one")
            accounts[account.id] = account
    except _GaveUpError as end:
        findings.error(end.line, f"{end.what}, so PMG reads nothing of this file", end.mend)
        return Fetchmailrc({}, findings.all(), (end.line,), head=head)
    return Fetchmailrc(accounts, findings.all(), head=head)


def is_switched_on(default: bytes) -> bool:
    """Does Debian start fetchmail, by its `/etc/default/fetchmail`?"""
    return any(line.strip() == b"START_DAEMON=yes" for line in default.splitlines())


def dump(accounts: Iterable[Account], head: bytes = MARKER) -> bytes:
    """The file: the head, then the accounts as PMG writes them, sorted by id."""
    if _MARKER.search(head) is None:
        head += (b"" if not head or head.endswith(b"\n") else b"\n") + MARKER
    elif not head.endswith(b"\n"):
        head += b"\n"
    by_id = sorted(accounts, key=lambda account: encoded(account.id))
    return head + encoded("".join(map(_written, by_id)))


KIND = FileKind(parse, lambda file: dump(file.entries.values(), file.head))


def completed(account: Account) -> Account:
    """With the values that PMG writes where none is given."""
    protocol = account.protocol or "pop3"
    return replace(
        account,
        protocol=protocol,
        interval=account.interval or "1",
        port=account.port or PORTS.get((protocol, account.ssl), ""),
        dropdelivered=True,
    )


def _written(given: Account) -> str:
    account = completed(given)
    flags = [name for name in ("dropdelivered", "ssl", "keep") if getattr(account, name)]
    if account.sslproto is not None:
        flags.append(f"sslproto {_quoted(account.sslproto)}")
    port = f" port {_bare(account.port)}" if account.port else ""
    first = f"{'poll' if account.enable else 'skip'} {_bare(account.id)}"
    return (
        f"\n{first} via {_quoted(account.server)}\n"
        f" protocol {_bare(account.protocol)}{port}\n"
        f" interval {_bare(account.interval)}\n"
        f" user {_quoted(account.user)} pass {_quoted(account.password)}\n"
        f" to {_quoted(account.target)}\n"
        f" {' '.join(flags)}\n\n"
    )


def _bare(value: str) -> str:
    return value if _SAFE_WORD.fullmatch(value) and value != "0" else _quoted(value)


def _quoted(value: str) -> str:
    escaped = _UNSAFE.sub(lambda match: b"\\x%02x" % match[0][0], encoded(value))
    return f'"{escaped.decode("ascii")}"'


def _tokens(data: bytes, line_before: int) -> Iterator[Token]:
    for number, line in enumerate(data.split(b"\n"), line_before + 1):
        for match in _TOKEN.finditer(line):
            word, quoted = match[1], match[2]
            argument = word if quoted is None else _BYTE.sub(_byte, quoted)
            yield Token(decoded(word), decoded(argument), number)


def _byte(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 16)])


def _accounts(tokens: Iterator[Token]) -> Iterator[Account]:
    account: Account | None = None
    for word, _, line in tokens:
        if word in ("poll", "skip"):
            if account:
                yield account
            account = Account(_argument(tokens, word, line), enable=word == "poll", line=line)
        elif account is None:
            raise _GaveUpError(line, "an account starts with poll or skip", "put one of them first")
        elif word in ARGUMENTS:
            value = _argument(tokens, word, line)
            if word == "sslproto" and value == "''":
                value = ""
            account = replace(account, **{ARGUMENTS[word]: value})  # type: ignore[arg-type] # text fields
        elif word in FLAGS:
            account = replace(account, **{word: True})  # type: ignore[arg-type] # flags
        else:
            raise _GaveUpError(line, "a word that PMG does not know", f"it knows {_KNOWN}")
    if account:
        yield account


def _argument(tokens: Iterator[Token], word: str, line: int) -> str:
    token = next(tokens, None)
    if token is None or token.word == "0":
        raise _GaveUpError(token.line if token else line, f"{word} has no value", "give it one")
    return token.argument
