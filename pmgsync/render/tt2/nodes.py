"""What a template is after parsing: frozen nodes, each with its line.

Expressions are regrouped already (see `perl_order`): a `Binary` node means what Perl would make of
it, not what Template Toolkit's own grammar would.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Node:
    line: int


# --- expressions --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expression(Node):
    pass


@dataclass(frozen=True, slots=True)
class Text(Expression):
    """A string."""

    value: str


@dataclass(frozen=True, slots=True)
class Number(Expression):
    """A number as it was written; the parser has checked that Perl takes it."""

    value: int | float


@dataclass(frozen=True, slots=True)
class Part(Node):
    """One step of a name: `item`, a string or an expression that gives one, and its arguments.

    `arguments` is None without parentheses, and with empty ones.
    """

    item: Expression
    arguments: ListOf | None = None


@dataclass(frozen=True, slots=True)
class Variable(Expression):
    """`a.b(1).$c`."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Reference(Expression):
    """`\\a.b`: the name, to be read later."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Joined(Expression):
    """Strings one after the other: `"a $b"`, or `a _ b _ c`."""

    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class ListOf(Expression):
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Range(Expression):
    """`[first..last]`."""

    first: Expression
    last: Expression


@dataclass(frozen=True, slots=True)
class HashOf(Expression):
    """`{ k => v }`, and named arguments."""

    pairs: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True, slots=True)
class Unary(Expression):
    """`!`, the only one."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary(Expression):
    """`operator` is one of `+ - * / %`."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Truncated(Expression):
    """`a div b` is `int(a / b)`; this is the `int`."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Comparison(Expression):
    """`a < b < c` is one node: each operand is read once. Operators: `< > <= >= == !=`."""

    first: Expression
    rest: tuple[tuple[str, Expression], ...]


@dataclass(frozen=True, slots=True)
class Either(Expression):
    """`a || b`: gives one of the two."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Both(Expression):
    """`a && b`: gives one of the two."""

    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Choice(Expression):
    """`test ? yes : no`."""

    test: Expression
    yes: Expression
    no: Expression


@dataclass(frozen=True, slots=True)
class Assign(Expression):
    """`target = value`, as an expression or a statement; `is_default`: only if false so far."""

    target: tuple[Part, ...]
    value: Expression
    is_default: bool = False


# --- statements ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Statement(Node):
    pass


Body = tuple["Statement", ...]


@dataclass(frozen=True, slots=True)
class Output(Statement):
    """Text, or an expression's value."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Evaluate(Statement):
    """CALL and assignments: the value is not shown."""

    value: Expression


@dataclass(frozen=True, slots=True)
class Several(Statement):
    """The assignments of one SET or DEFAULT."""

    statements: Body


@dataclass(frozen=True, slots=True)
class Capture(Statement):
    """`name = BLOCK ... END`, or any other directive's output."""

    target: tuple[Part, ...]
    body: Body


@dataclass(frozen=True, slots=True)
class If(Statement):
    """Branches in order; the last may be ELSE, with None as its test."""

    branches: tuple[tuple[Expression | None, Body], ...]


@dataclass(frozen=True, slots=True)
class Switch(Statement):
    value: Expression
    cases: tuple[tuple[Expression, Body], ...]
    default: Body


@dataclass(frozen=True, slots=True)
class Foreach(Statement):
    """`name` is "" for a loop without one, which imports hashes and scopes."""

    name: str
    values: Expression
    body: Body
    is_postfix: bool = False


@dataclass(frozen=True, slots=True)
class While(Statement):
    test: Expression
    body: Body
    is_postfix: bool = False


@dataclass(frozen=True, slots=True)
class Leave(Statement):
    """LAST, or NEXT."""

    is_next: bool


@dataclass(frozen=True, slots=True)
class Call(Statement):
    """INSERT, INCLUDE and PROCESS: `verb` in lower case, the templates' names, named arguments."""

    verb: str
    names: tuple[Expression, ...]
    named: HashOf


@dataclass(frozen=True, slots=True)
class Wrapper(Statement):
    names: tuple[Expression, ...]
    named: HashOf
    body: Body


@dataclass(frozen=True, slots=True)
class AnonymousBlock(Statement):
    body: Body


@dataclass(frozen=True, slots=True)
class Macro(Statement):
    name: str
    arguments: tuple[str, ...] | None
    body: Body


@dataclass(frozen=True, slots=True)
class Filter(Statement):
    name: Expression
    arguments: ListOf | None
    alias: Expression | None
    body: Body


@dataclass(frozen=True, slots=True)
class Use(Statement):
    target: Expression
    plugin: Expression
    arguments: ListOf | None


@dataclass(frozen=True, slots=True)
class Try(Statement):
    """`handlers`: error type ("" for the plain CATCH) and what to do."""

    body: Body
    handlers: tuple[tuple[str, Body], ...]
    final: Body


@dataclass(frozen=True, slots=True)
class Throw(Statement):
    kind: Expression
    info: Expression | None


@dataclass(frozen=True, slots=True)
class Signal(Statement):
    """`return`, `stop`, `clear`, or `perl` (which always fails, as EVAL_PERL is never set)."""

    what: str


@dataclass(frozen=True, slots=True)
class Template:
    """A whole template: its body, its BLOCKs by name, what META says."""

    body: Body
    blocks: dict[str, Body] = field(default_factory=dict)
    metadata: dict[str, str] = field(default_factory=dict)
