"""Stage two, the inner half: the tokens of expressions, names, arguments and literals."""

from __future__ import annotations

import re

from pmgsync.render.perl.values import string_number
from pmgsync.render.tt2.cursor import Cursor
from pmgsync.render.tt2.nodes import (
    Assign,
    Expression,
    HashOf,
    Joined,
    ListOf,
    Number,
    Part,
    Range,
    Reference,
    Text,
    Truncated,
    Variable,
)
from pmgsync.render.tt2.perl_order import Piece, regroup

_LEVELS = ("?", "AND OR", "NOT", "CAT", "", "CMPOP", "BINOP", "+", "/", "DIV", "MOD")
"""Template Toolkit's own precedence, from loose to tight. It decides what is valid, and what the
two sides of `div` are; Perl decides the rest.
"""
LEVEL = {kind: level for level, kinds in enumerate(_LEVELS) for kind in kinds.split()}
PERL_OPERATOR = {"AND": "&&", "OR": "||", "CAT": ".", "MOD": "%"}
NAME_START = frozenset(["IDENT", "$", "${"])
TERM_START = NAME_START | {"[", "{", "REF", "QUOTE", "LITERAL", "NUMBER"}
EXPRESSION_START = TERM_START | {"NOT", "("}
_OCTAL = re.compile(r"-?0\d")


def expression(at: Cursor, first: Expression | None = None) -> Expression:
    """An expression; `first` is its first operand, if that was read already."""
    return regroup(_pieces(at, 0, first))


def _pieces(at: Cursor, floor: int, first: Expression | None = None) -> list[Piece]:
    pieces: list[Piece] = _operand(at) if first is None else [first]
    while LEVEL.get(at.kind, -1) >= floor and at.kind != "NOT":
        operator = at.take()
        level = LEVEL[operator.kind]
        if operator.kind == "?":
            middle = _pieces(at, 0)
            at.take(":")
            with at:
                pieces += ["?", *middle, ":", *_pieces(at, level)]
        elif operator.kind == "DIV":
            quotient = regroup([*pieces, "/", *_pieces(at, level + 1)])
            pieces = [Truncated(operator.line, quotient)]
        else:
            sign = PERL_OPERATOR.get(operator.kind, operator.text)
            pieces += [sign, *_pieces(at, level + 1)]
    return pieces


def _operand(at: Cursor) -> list[Piece]:
    with at:
        if at.took("NOT"):
            return ["!", *_pieces(at, LEVEL["NOT"] + 1)]
        if at.took("("):
            inner = _assignment_or_expression(at)
            at.take(")")
            return [inner]
        return [term(at)]


def _assignment_or_expression(at: Cursor) -> Expression:
    if at.kind == "LITERAL" and at.kind_after() == "ASSIGN":
        return assignment(at)
    if at.kind not in NAME_START:
        return expression(at)
    line, parts = at.line, name(at)
    if at.took("ASSIGN"):
        return Assign(line, parts, expression(at))
    return expression(at, Variable(line, parts))


def assignment(at: Cursor) -> Assign:
    """`name = expression`; the name may be a string."""
    line = at.line
    parts = _literal_name(at) if at.kind == "LITERAL" else name(at)
    at.take("ASSIGN")
    return Assign(line, parts, expression(at))


def _literal_name(at: Cursor) -> tuple[Part, ...]:
    token = at.take("LITERAL")
    return dotted(Part(token.line, Text(token.line, token.text)))


def dotted(part: Part) -> tuple[Part, ...]:
    """A name given as one string may have dots: `${'a.b'}`, `'a.b' = 1`."""
    if not isinstance(part.item, Text) or part.arguments or "." not in part.item.value:
        return (part,)
    steps = part.item.value.rstrip(".").split(".")
    return tuple(Part(part.line, Text(part.line, step.partition("(")[0])) for step in steps)


# --- terms --------------------------------------------------------------------------------------


def term(at: Cursor) -> Expression:
    """A literal, a name, a list, a hash: what FOREACH and CASE take."""
    with at:
        if at.kind == "[":
            return _list(at)
        if at.took("{"):
            found = HashOf(at.line, tuple(_pairs(at)))
            at.take("}")
            return found
        return _simple_term(at)


def _simple_term(at: Cursor) -> Expression:
    line, kind = at.line, at.kind
    if kind in NAME_START:
        return Variable(line, name(at))
    if at.took("REF"):
        return Reference(line, _name_referred_to(at))
    if kind == "QUOTE":
        return quoted(at)
    if kind == "LITERAL":
        return Text(line, at.take().text)
    if kind == "NUMBER":
        return _number(at, at.token.text)
    at.refuse()


def _name_referred_to(at: Cursor) -> tuple[Part, ...]:
    found = _parts(at)
    if len(found) == 1 and len(dotted(found[0])) > 1:
        raise at.error("a reference to a name in quotes with dots in it is not supported")
    return tuple(found)


def _number(at: Cursor, text: str) -> Number:
    """A number as Perl reads it: a leading 0 means octal."""
    line = at.line
    if _OCTAL.match(text):
        whole, _, fraction = text.partition(".")
        if fraction or re.search("[89]", whole):
            raise at.error(f"parse error: illegal octal number ({text})")
        text = str(int(whole, 8))
    at.take()
    return Number(line, float(text) if "." in text else string_number(text))


def quoted(at: Cursor) -> Expression:
    """`"text $name"`."""
    line = at.take("QUOTE").line
    items: list[Expression] = []
    while not at.took("QUOTE"):
        if at.kind == "TEXT":
            items.append(Text(at.line, at.take().text))
        elif not at.took(";"):
            if at.kind not in NAME_START:
                at.refuse()
            items.append(Variable(at.line, name(at)))
    if not items:
        raise at.error('a string of nothing but a stray "$" is not supported')
    return Joined(line, tuple(items))


def _list(at: Cursor) -> Expression:
    line = at.take("[").line
    if at.took("]"):
        return ListOf(line, ())
    first = term(at)
    if at.kind == "TO" and not isinstance(first, ListOf | Range | HashOf):
        at.take()
        last = _simple_term(at)
        at.take("]")
        return Range(line, first, last)
    items = [first]
    while not at.took("]"):
        if not at.took("COMMA"):
            items.append(term(at))
    return ListOf(line, tuple(items))


def _pairs(at: Cursor) -> list[tuple[Expression, Expression]]:
    pairs: list[tuple[Expression, Expression]] = []
    while at.kind != "}":
        if pairs and at.took("COMMA"):
            continue
        line = at.line
        key = Text(line, at.take().text) if at.kind == "LITERAL" else item(at)
        at.take("ASSIGN")
        pairs.append((key, expression(at)))
    return pairs


# --- names --------------------------------------------------------------------------------------


def name(at: Cursor) -> tuple[Part, ...]:
    """`a.b(1).$c.0`."""
    parts = _parts(at)
    return tuple(parts) if len(parts) > 1 else dotted(parts[0])


def _parts(at: Cursor) -> list[Part]:
    parts = [_part(at)]
    while at.took("DOT"):
        if at.kind == "NUMBER":
            parts += _number_parts(at)
        else:
            parts.append(_part(at))
    return parts


def _number_parts(at: Cursor) -> list[Part]:
    """`.1` and `.1.2`, which came as one number."""
    token = at.take()
    steps = token.text.split(".")
    return [Part(token.line, Number(token.line, int(step))) for step in steps]


def _part(at: Cursor) -> Part:
    line = at.line
    found = item(at)
    if not at.took("("):
        return Part(line, found)
    with at:
        given = arguments(at)
    at.take(")")
    return Part(line, found, given)


def item(at: Cursor) -> Expression:
    """A plain name, `$name` or `${term}`."""
    line = at.line
    if at.took("${"):
        with at:
            found = _simple_term(at)
        at.take("}")
        return found
    if at.took("$"):
        word = Text(line, at.take("IDENT").text)
        return word if at.v1dollar else Variable(line, (Part(line, word),))
    return Text(line, at.take("IDENT").text)


# --- arguments ----------------------------------------------------------------------------------


def arguments(at: Cursor) -> ListOf | None:
    """Arguments up to what cannot be one, the named ones as one hash at the end; or None."""
    line = at.line
    plain, named = split_arguments(at)
    items = (*plain, named) if named.pairs else plain
    return ListOf(line, items) if items else None


def split_arguments(at: Cursor) -> tuple[tuple[Expression, ...], HashOf]:
    """Plain and named arguments."""
    line = at.line
    plain: list[Expression] = []
    named: list[tuple[Expression, Expression]] = []
    while at.kind in EXPRESSION_START or at.kind == "COMMA":
        if at.took("COMMA"):
            continue
        if at.kind == "LITERAL" and at.kind_after() == "ASSIGN":
            key = Text(at.line, at.take().text)
            at.take("ASSIGN")
            named.append((key, expression(at)))
        elif at.kind in NAME_START:
            _named_or_plain(at, plain, named)
        else:
            plain.append(expression(at))
    return tuple(plain), HashOf(line, tuple(named))


def _named_or_plain(
    at: Cursor, plain: list[Expression], named: list[tuple[Expression, Expression]]
) -> None:
    line, parts = at.line, name(at)
    if not at.took("ASSIGN"):
        plain.append(expression(at, Variable(line, parts)))
    elif len(parts) == 1 and not parts[0].arguments:
        named.append((parts[0].item, expression(at)))
    else:  # the toolkit passes the assignment's value under an empty name
        named.append((Text(line, ""), Assign(line, parts, expression(at))))
