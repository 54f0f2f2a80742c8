"""Expressions are grouped the way Perl groups them.

Template Toolkit parses an expression with its own precedence, then writes the pieces as Perl code
without parentheses (but for `div`), and Perl groups them again. So only the order of the pieces
counts: `regroup` takes operands and Perl's operators in a row and returns the tree that Perl sees.

From tight to loose: `!`; `* / %`; `+ - .`; `< > <= >=`; `== !=` (Perl's `eq` and `ne`); `&&`;
`||`; `?:`, which groups to the right. Comparisons of one level chain: `a < b < c` is `a < b` and
`b < c`, with `b` read once (perlop, from 5.32).
"""

from __future__ import annotations

from collections.abc import Sequence

from pmgsync.render.tt2.nodes import (
    Binary,
    Both,
    Choice,
    Comparison,
    Either,
    Expression,
    Joined,
    Unary,
)

Piece = Expression | str

_LEVELS = (("||",), ("&&",), ("==", "!="), ("<", ">", "<=", ">="), ("+", "-", "."), ("*", "/", "%"))
_LEVEL = {operator: level for level, group in enumerate(_LEVELS) for operator in group}
_CHAINED = {2, 3}


def regroup(pieces: Sequence[Piece]) -> Expression:
    """The expression that Perl reads in `pieces`; that they alternate is the parser's promise."""
    if len(pieces) == 1 and isinstance(pieces[0], Expression):
        return pieces[0]
    return _Grouping(pieces).choice()


class _Grouping:
    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self._at = 0

    def choice(self) -> Expression:
        test = self._binary(0)
        if not self._took("?"):
            return test
        yes = self.choice()
        self._took(":")
        return Choice(test.line, test, yes, self.choice())

    def _binary(self, floor: int) -> Expression:
        left = self._operand()
        while (level := self._next_level()) >= floor:
            if level in _CHAINED:
                left = self._chain(left, level)
            else:
                operator = str(self._take())
                left = _combined(operator, left, self._binary(level + 1))
        return left

    def _chain(self, first: Expression, level: int) -> Expression:
        rest: list[tuple[str, Expression]] = []
        while self._next_level() == level:
            operator = str(self._take())
            rest.append((operator, self._binary(level + 1)))
        return Comparison(first.line, first, tuple(rest))

    def _operand(self) -> Expression:
        piece = self._take()
        if isinstance(piece, Expression):
            return piece
        operand = self._operand()  # "!" is the only prefix
        return Unary(operand.line, operand)

    def _next_level(self) -> int:
        if self._at >= len(self._pieces):
            return -1
        piece = self._pieces[self._at]
        return _LEVEL.get(piece, -1) if isinstance(piece, str) else -1

    def _take(self) -> Piece:
        self._at += 1
        return self._pieces[self._at - 1]

    def _took(self, piece: str) -> bool:
        if self._at < len(self._pieces) and self._pieces[self._at] == piece:
            self._at += 1
            return True
        return False


def _combined(operator: str, left: Expression, right: Expression) -> Expression:
    if operator == ".":
        items = left.items if isinstance(left, Joined) else (left,)
        return Joined(left.line, (*items, right))
    if operator == "||":
        return Either(left.line, left, right)
    if operator == "&&":
        return Both(left.line, left, right)
    return Binary(left.line, operator, left, right)
