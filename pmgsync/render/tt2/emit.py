"""Stage three: the tree becomes a Jinja2 syntax tree.

* Each body whose output somebody takes (a BLOCK, a FILTER, a TRY) is a Jinja2 block, a generator of
  text; the template's own is `main`. IF and loops stay inline.
* Expressions become Jinja2 filters on `tt`, the machine: `tt|get('x')`. Jinja2 compiles each to a
  plain call; `||`, `&&` and `?:` become its conditional expressions, so that only what is needed
  is evaluated.
* LAST and NEXT are `break` and `continue` where the loop is in the same body, and an exception
  where they have to leave a body that somebody takes; then the loop's round is a block as well.
* Every node carries its line, so Jinja2's own line table leads from a traceback to the template.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from jinja2 import nodes as jinja

from pmgsync.render.tt2 import nodes as tt2
from pmgsync.render.tt2.leaving import leaves_nearest_block, leaves_through
from pmgsync.render.tt2.program import MAIN

FEW_ITEMS = 16
"""A list of so many costs no more than the step that makes it."""
MOST_LOOPS = 8
"""Loops inline in each other; a deeper one's round is a block. Python allows 20."""

_ARITHMETIC: Final = {
    "+": "add",
    "-": "subtract",
    "*": "multiply",
    "/": "divide",
    "%": "modulo",
}


@dataclass(frozen=True)
class Emitted:
    """`blocks`: for each BLOCK of the template, the name of its Jinja2 block."""

    template: jinja.Template
    blocks: dict[str, str]


def emit(template: tt2.Template) -> Emitted:
    """The Jinja2 template that does what `template` says."""
    emitter = _Emitter()
    emitter.block(template.body, name=MAIN)
    blocks = {name: emitter.block(body) for name, body in template.blocks.items()}
    # Blocks are what counts; the template's own body is never run.
    never = jinja.If(jinja.Const(False), emitter.made, [], [])
    return Emitted(jinja.Template([never], lineno=1), blocks)


def operation(name: str, line: int, *arguments: jinja.Expr) -> jinja.Expr:
    """`tt|name(arguments)`."""
    machine = jinja.Name("tt", "load", lineno=line)
    return jinja.Filter(machine, name, list(arguments), [], None, None, lineno=line)


def _filter(operand: jinja.Expr, name: str, line: int, *arguments: jinja.Expr) -> jinja.Expr:
    return jinja.Filter(operand, name, list(arguments), [], None, None, lineno=line)


@dataclass
class _Loop:
    """A loop around what is being emitted; `is_inline`: `break` would end it."""

    label: int
    is_inline: bool


class _Emitter:
    def __init__(self) -> None:
        self.made: list[jinja.Node] = []
        self._loops: list[_Loop] = []
        self._count = 0
        self._expressions: dict[type[tt2.Expression], Callable[[Any], jinja.Expr]] = {
            tt2.Assign: self._assign,
            tt2.Binary: self._binary,
            tt2.Both: self._both,
            tt2.Choice: self._choice,
            tt2.Comparison: self._comparison,
            tt2.Either: self._either,
            tt2.HashOf: self._hash,
            tt2.Joined: self._joined,
            tt2.ListOf: self._list,
            tt2.Number: self._constant,
            tt2.Range: self._range,
            tt2.Reference: self._reference,
            tt2.Text: self._constant,
            tt2.Truncated: self._truncated,
            tt2.Unary: self._unary,
            tt2.Variable: self._variable,
        }
        self._statements: dict[type[tt2.Statement], Callable[[Any], list[jinja.Node]]] = {
            tt2.AnonymousBlock: self._anonymous,
            tt2.Call: self._call,
            tt2.Capture: self._capture,
            tt2.Evaluate: self._evaluate,
            tt2.Filter: self._filtered,
            tt2.Foreach: self._foreach,
            tt2.If: self._if,
            tt2.Leave: self._leave,
            tt2.Macro: self._macro,
            tt2.Output: self._output,
            tt2.Several: lambda node: self.body(node.statements),
            tt2.Signal: self._signal,
            tt2.Switch: self._switch,
            tt2.Throw: self._throw,
            tt2.Try: self._try,
            tt2.Use: self._use,
            tt2.While: self._while,
            tt2.Wrapper: self._wrapper,
        }

    # --- bodies ---------------------------------------------------------------------------------

    def block(self, body: tt2.Body, *, name: str = "", keeps_loops: bool = False) -> str:
        """Make a Jinja2 block of a body; its name."""
        self._count += 1
        name = name or f"b{self._count}"
        outer = self._loops
        self._loops = [_Loop(loop.label, False) for loop in outer] if keeps_loops else []
        emitted = self.body(body)
        self._loops = outer
        self.made.append(jinja.Block(name, emitted, False, False, lineno=_line_of(body)))
        return name

    def _does_something(self, name: str) -> bool:
        """Whether the block of that name, made last, has any work in it."""
        made = self.made[-1]
        return isinstance(made, jinja.Block) and made.name == name and bool(made.body)

    def _inner(self, body: tt2.Body, line: int) -> jinja.Expr:
        """The name of a body that is taken while the loops around it go on."""
        return jinja.Const(self.block(body, keeps_loops=True), lineno=line)

    def body(self, body: tt2.Body) -> list[jinja.Node]:
        """The statements of a body."""
        return [made for statement in body for made in self._statements[type(statement)](statement)]

    # --- expressions ----------------------------------------------------------------------------

    def value(self, node: tt2.Expression) -> jinja.Expr:
        """The value of an expression."""
        return self._expressions[type(node)](node)

    def test(self, node: tt2.Expression) -> jinja.Expr:
        """Whether an expression is true."""
        if isinstance(node, tt2.Either):
            return jinja.Or(self.test(node.left), self.test(node.right), lineno=node.line)
        if isinstance(node, tt2.Both):
            return jinja.And(self.test(node.left), self.test(node.right), lineno=node.line)
        if isinstance(node, tt2.Unary):
            return jinja.Not(self.test(node.operand), lineno=node.line)
        return _filter(self.value(node), "is_true", node.line)

    def _constant(self, node: tt2.Text | tt2.Number) -> jinja.Expr:
        if node.value == float("inf"):
            return operation("join", node.line, jinja.List([jinja.Const("inf")], lineno=node.line))
        return jinja.Const(node.value, lineno=node.line)

    def _variable(self, node: tt2.Variable) -> jinja.Expr:
        first = node.parts[0]
        if len(node.parts) == 1 and first.arguments is None:
            if not isinstance(first.item, tt2.Text):
                return operation("named", node.line, self.value(first.item))
            if first.item.value.startswith("_"):
                return jinja.Const("", lineno=node.line)
            if "." not in first.item.value:
                return operation("get", node.line, jinja.Const(first.item.value))
        return operation("path", node.line, self._path(node.parts))

    def _path(self, parts: tuple[tt2.Part, ...]) -> jinja.Expr:
        """Names and arguments in turn."""
        line = parts[0].line
        if all(isinstance(p.item, tt2.Text | tt2.Number) and not p.arguments for p in parts):
            fixed = [word for part in parts for word in (_word(part.item), None)]
            return jinja.Const(tuple(fixed), lineno=line)
        steps: list[jinja.Expr] = []
        for part in parts:
            steps.append(self.value(part.item))
            steps.append(self._optional(part.arguments, line))
        return jinja.Tuple(steps, "load", lineno=line)

    def _optional(self, node: tt2.Expression | None, line: int) -> jinja.Expr:
        return self.value(node) if node else jinja.Const(None, lineno=line)

    def _reference(self, node: tt2.Reference) -> jinja.Expr:
        return operation("later", node.line, self._path(node.parts))

    def _joined(self, node: tt2.Joined) -> jinja.Expr:
        return operation("join", node.line, self._items(node.items, node.line))

    def _list(self, node: tt2.ListOf) -> jinja.Expr:
        return self._items(node.items, node.line)

    def _items(self, items: Sequence[tt2.Expression], line: int) -> jinja.Expr:
        made = jinja.List([self.value(item) for item in items], lineno=line)
        return operation("counted", line, made) if len(items) > FEW_ITEMS else made

    def _hash(self, node: tt2.HashOf) -> jinja.Expr:
        flat = [part for pair in node.pairs for part in pair]
        return _filter(self._items(flat, node.line), "pairs", node.line)

    def _range(self, node: tt2.Range) -> jinja.Expr:
        return operation("items", node.line, self.value(node.first), self.value(node.last))

    def _unary(self, node: tt2.Unary) -> jinja.Expr:
        return _filter(self.value(node.operand), "negate", node.line)

    def _truncated(self, node: tt2.Truncated) -> jinja.Expr:
        return _filter(self.value(node.operand), "truncate", node.line)

    def _binary(self, node: tt2.Binary) -> jinja.Expr:
        name = _ARITHMETIC[node.operator]
        return _filter(self.value(node.left), name, node.line, self.value(node.right))

    def _comparison(self, node: tt2.Comparison) -> jinja.Expr:
        return self._chain(self.value(node.first), node.rest, node.line)

    def _chain(
        self, left: jinja.Expr, rest: tuple[tuple[str, tt2.Expression], ...], line: int
    ) -> jinja.Expr:
        (operator, node), *more = rest
        right = self.value(node)
        sign = jinja.Const(operator, lineno=line)
        if not more:
            return _filter(left, "compare", line, sign, right)
        first = _filter(left, "compare", line, sign, operation("keep", line, right))
        others = self._chain(operation("kept", line), tuple(more), line)
        return jinja.CondExpr(
            _filter(first, "is_true", line), others, operation("drop", line), lineno=line
        )

    def _either(self, node: tt2.Either) -> jinja.Expr:
        left = operation("keep_if", node.line, self.value(node.left), jinja.Const(True))
        kept = operation("kept", node.line)
        return jinja.CondExpr(left, kept, self.value(node.right), lineno=node.line)

    def _both(self, node: tt2.Both) -> jinja.Expr:
        left = operation("keep_if", node.line, self.value(node.left), jinja.Const(False))
        kept = operation("kept", node.line)
        return jinja.CondExpr(left, self.value(node.right), kept, lineno=node.line)

    def _choice(self, node: tt2.Choice) -> jinja.Expr:
        yes, no = self.value(node.yes), self.value(node.no)
        return jinja.CondExpr(self.test(node.test), yes, no, lineno=node.line)

    def _assign(self, node: tt2.Assign) -> jinja.Expr:
        first = node.target[0]
        value, is_default = self.value(node.value), jinja.Const(node.is_default)
        is_named = not isinstance(first.item, tt2.Text) and not first.arguments
        if len(node.target) == 1 and is_named:
            name = self.value(first.item)
            return operation("assign_named", node.line, name, value, is_default)
        return operation("assign", node.line, self._path(node.target), value, is_default)

    # --- statements -----------------------------------------------------------------------------

    def _output(self, node: tt2.Output) -> list[jinja.Node]:
        if isinstance(node.value, tt2.Text):
            return [jinja.Output([jinja.TemplateData(node.value.value)], lineno=node.line)]
        return [_show(self.value(node.value), node.line)]

    def _evaluate(self, node: tt2.Evaluate) -> list[jinja.Node]:
        return [_run(self.value(node.value), node.line)]

    def _capture(self, node: tt2.Capture) -> list[jinja.Node]:
        body = self._inner(node.body, node.line)
        return [_run(operation("capture", node.line, self._path(node.target), body), node.line)]

    def _if(self, node: tt2.If) -> list[jinja.Node]:
        branches = [
            (
                test,
                jinja.If(self.test(test) if test else jinja.Const(True), self.body(body), [], []),
            )
            for test, body in node.branches
        ]
        (_, first), *others = branches
        first.lineno = node.line
        for test, branch in others:
            branch.lineno = node.line
            if test is None:
                first.else_ = branch.body
            else:
                first.elif_.append(branch)
        return [first]

    def _switch(self, node: tt2.Switch) -> list[jinja.Node]:
        if not self._loops and leaves_nearest_block(node):
            self._loops.append(_Loop(0, False))  # so that the switch itself is what LAST leaves
            body = jinja.Const(self.block((node,), keeps_loops=True))
            self._loops.pop()
            return [_show(operation("inline", node.line, body), node.line)]
        self._count += 1
        name = f"value{self._count}"
        held = jinja.Name(name, "load", lineno=node.line)
        stored = jinja.Assign(
            jinja.Name(name, "store", lineno=node.line), self.value(node.value), lineno=node.line
        )
        branches = [
            jinja.If(
                operation("matches", node.line, held, self.value(case)), self.body(body), [], []
            )
            for case, body in node.cases
        ]
        default = self.body(node.default)
        if not branches:
            return [stored, *default]
        branches[0].elif_, branches[0].else_ = branches[1:], default
        return [stored, branches[0]]

    def _foreach(self, node: tt2.Foreach) -> list[jinja.Node]:
        values = self.value(node.values)
        if node.name:
            walk = operation("foreach", node.line, jinja.Const(node.name), values)
        else:
            walk = operation("foreach_importing", node.line, values)
        return [self._loop(node, walk, [])]

    def _while(self, node: tt2.While) -> list[jinja.Node]:
        ends = jinja.If(jinja.Not(self.test(node.test)), [jinja.Break()], [], [], lineno=node.line)
        return [self._loop(node, operation("failsafe", node.line), [ends])]

    def _loop(
        self, node: tt2.Foreach | tt2.While, walk: jinja.Expr, lead: list[jinja.Node]
    ) -> jinja.Node:
        self._count += 1
        label = self._count
        depth = sum(loop.is_inline for loop in self._loops)
        is_inline = depth < MOST_LOOPS and not leaves_through(node)
        if not node.is_postfix:
            self._loops.append(_Loop(label, is_inline))
        if is_inline:
            round_ = self.body(node.body)
        else:
            name = self._inner(node.body, node.line)
            number = jinja.Const(label)
            over = operation("round_ends_loop", node.line, name, number)
            round_ = [jinja.If(over, [jinja.Break(lineno=node.line)], [], [], lineno=node.line)]
        if not node.is_postfix:
            self._loops.pop()
        target = jinja.Name("_", "store", lineno=node.line)
        return jinja.For(target, walk, [*lead, *round_], [], None, False, lineno=node.line)

    def _leave(self, node: tt2.Leave) -> list[jinja.Node]:
        loop = self._loops[-1] if self._loops else _Loop(0, False)
        if loop.is_inline:
            return [(jinja.Continue if node.is_next else jinja.Break)(lineno=node.line)]
        label, is_next = jinja.Const(loop.label), jinja.Const(node.is_next)
        return [_run(operation("leave", node.line, label, is_next), node.line)]

    def _call(self, node: tt2.Call) -> list[jinja.Node]:
        arguments = [self._items(node.names, node.line)]
        if node.verb != "insert":
            arguments.append(self.value(node.named))
        return [_show(operation(node.verb, node.line, *arguments), node.line)]

    def _wrapper(self, node: tt2.Wrapper) -> list[jinja.Node]:
        names, named = self._items(node.names, node.line), self.value(node.named)
        body = self._inner(node.body, node.line)
        return [_show(operation("wrapper", node.line, names, named, body), node.line)]

    def _anonymous(self, node: tt2.AnonymousBlock) -> list[jinja.Node]:
        body = self._inner(node.body, node.line)
        return [_show(operation("anonymous", node.line, body), node.line)]

    def _macro(self, node: tt2.Macro) -> list[jinja.Node]:
        name, names = jinja.Const(node.name), jinja.Const(node.arguments)
        body = self._inner(node.body, node.line)
        return [_run(operation("macro", node.line, name, names, body), node.line)]

    def _filtered(self, node: tt2.Filter) -> list[jinja.Node]:
        name = self.value(node.name)
        arguments = self._optional(node.arguments, node.line)
        alias = self._optional(node.alias, node.line)
        body = self._inner(node.body, node.line)
        made = operation("filtered", node.line, name, arguments, alias, body)
        return [_show(made, node.line)]

    def _use(self, node: tt2.Use) -> list[jinja.Node]:
        target, plugin = self.value(node.target), self.value(node.plugin)
        arguments = self._optional(node.arguments, node.line)
        return [_run(operation("use", node.line, target, plugin, arguments), node.line)]

    def _try(self, node: tt2.Try) -> list[jinja.Node]:
        default, handlers = "", []
        for kind, body in node.handlers:
            name = self.block(body, keeps_loops=True)
            if kind:
                handlers.append((kind, name))
            elif self._does_something(name):  # the toolkit forgets a plain CATCH without work
                default = default or name
        final = self.block(node.final, keeps_loops=True) if node.final else ""
        rest = [jinja.Const(tuple(handlers)), jinja.Const(default), jinja.Const(final)]
        body_name = self._inner(node.body, node.line)
        return [_show(operation("attempt", node.line, body_name, *rest), node.line)]

    def _throw(self, node: tt2.Throw) -> list[jinja.Node]:
        info = self._optional(node.info, node.line)
        return [_run(operation("throw", node.line, self.value(node.kind), info), node.line)]

    def _signal(self, node: tt2.Signal) -> list[jinja.Node]:
        if node.what == "clear":
            return [_run(operation("clear", node.line), node.line)]
        info = "EVAL_PERL not set" if node.what == "perl" else ""
        made = operation("throw", node.line, jinja.Const(node.what), jinja.Const(info))
        return [_run(made, node.line)]


def _show(value: jinja.Expr, line: int) -> jinja.Node:
    return jinja.Output([value], lineno=line)


def _run(value: jinja.Expr, line: int) -> jinja.Node:
    return jinja.ExprStmt(value, lineno=line)


def _word(item: tt2.Expression) -> str:
    """The text of a name that is known now."""
    return str(item.value) if isinstance(item, tt2.Text | tt2.Number) else ""


def _line_of(body: tt2.Body) -> int:
    return body[0].line if body else 1
