"""Asking for a password: never on the command line, where everybody on the machine can read it."""

from __future__ import annotations

import sys
from getpass import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from pmgsync.errors import OperatorError
from pmgsync.pmgconf.lists import decoded, encoded

if TYPE_CHECKING:
    import argparse

MOST_BYTES = 4096


def add_password_file(parser: argparse.ArgumentParser) -> None:
    """The option that reads a password from a file."""
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help="read the password from its first line instead of asking; `-` is standard input",
    )


def password_of(what: str, file: str | None) -> str:
    """The password for `what`: from a file, asked for twice at a terminal, else the first line of
    standard input. `OperatorError` for none, and for two that differ.
    """
    if file is not None and file != "-":
        with Path(file).open("rb") as source:
            return _checked(source.readline(MOST_BYTES + 1), file)
    if file is None and sys.stdin.isatty():
        return _checked(_typed(what), "password")
    return _checked(sys.stdin.buffer.readline(MOST_BYTES + 1), "standard input")


def _typed(what: str) -> bytes:
    try:
        password = getpass(f"Password of {what}: ")
        if password != getpass("Once more: "):
            raise OperatorError("the two passwords differ", mend="try again")
    except EOFError:
        return b""
    return encoded(password)


def _checked(line: bytes, where: str) -> str:
    password = decoded(line.rstrip(b"\r\n"))
    if not password:
        raise OperatorError("there is no password", where=where, mend="give one")
    if len(line) > MOST_BYTES or "\0" in password:
        raise OperatorError("this is no password", where=where, mend="give one line of text")
    return password
