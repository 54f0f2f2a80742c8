"""The parser's place in the tokens, and the one way in which parsing fails."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NoReturn, TypeVar

from pmgsync.render.errors import TemplateError, fail
from pmgsync.render.tt2.lexer import Token

Found = TypeVar("Found")

DEEPEST = 60
"""How many levels of parentheses, lists or blocks a template may nest. Jinja2 and Python, which run
what is emitted, nest less than Perl; nobody writes this by hand.
"""


class Cursor:
    """Walks over the tokens of the template `name`."""

    def __init__(self, tokens: Iterable[Token], name: str) -> None:
        self._tokens = list(tokens)
        self._at = 0
        self._depth = 0
        self.name = name
        self.v1dollar = False

    @property
    def token(self) -> Token:
        """The token to come."""
        return self._tokens[self._at]

    @property
    def kind(self) -> str:
        """Its kind."""
        return self._tokens[self._at].kind

    @property
    def line(self) -> int:
        return self._tokens[self._at].line

    def kind_after(self) -> str:
        """The kind of the token after the next; END_OF_INPUT has none after it."""
        return self._tokens[min(self._at + 1, len(self._tokens) - 1)].kind

    def take(self, *kinds: str) -> Token:
        """The next token, which must be one of these kinds if any are given."""
        token = self._tokens[self._at]
        if kinds and token.kind not in kinds:
            self.refuse()
        self._at += 1
        return token

    def took(self, kind: str) -> bool:
        """Steps over the next token if it is of this kind."""
        if self._tokens[self._at].kind != kind:
            return False
        self._at += 1
        return True

    def attempt(self, read: Callable[[], Found | None]) -> Found | None:
        """What `read` finds; if it finds None, nothing has been read."""
        at = self._at
        found = read()
        if found is None:
            self._at = at
        return found

    def refuse(self) -> NoReturn:
        """Raises the error that the next token is."""
        token = self.token
        if token.kind == "END_OF_INPUT":
            raise self.error("parse error: unexpected end of input", token)
        if token.kind == ";":
            raise self.error("parse error: unexpected end of directive", token)
        raise self.error(f"parse error: unexpected token ({token.text})", token)

    def error(self, what: str, token: Token | None = None) -> TemplateError:
        """An error at this token (default: the next)."""
        token = token or self.token
        shown = token.tag.shown if token.tag else ""
        return fail(what, name=self.name, line=token.line, source=shown)

    def __enter__(self) -> None:
        """One level deeper."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise self.error(f"nested more than {DEEPEST} levels deep")

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
