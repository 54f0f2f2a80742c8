"""PURE. Templates in plain Jinja2 (`NAME.j2`), with the same variables, in Jinja2's sandbox.

Three things differ from Jinja2 as it comes: the last line keeps its end, for the output is a file;
what is undefined as a value (None) prints nothing; and there are bounds, those of Template Toolkit
(`perl.budget`). The bounds are put into the tree before Jinja2 compiles it: each round of a loop,
each macro, block and template counts, and each value that is printed, put together, compared or
made goes through `jinja_bounds`. What of Python is not bounded there cannot be called. Templates
and values are bytes, read as Latin-1.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from itertools import chain
from typing import TypeVar

from jinja2 import BaseLoader, TemplateError, TemplateNotFound, nodes
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.ext import Extension
from jinja2.filters import FILTERS, make_attrgetter
from jinja2.lexer import Token, TokenStream
from jinja2.runtime import Context, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from pmgsync.errors import InvalidError
from pmgsync.render.errors import LimitError
from pmgsync.render.errors import TemplateError as OurError
from pmgsync.render.jinja_bounds import (
    FILTER_SIZES,
    METHOD_SIZES,
    METHODS,
    Bounds,
    RefusedError,
    Value,
    replaced_size,
)
from pmgsync.render.perl.budget import Budget, Limits
from pmgsync.render.perl.faults import Exhausted
from pmgsync.render.source_bounds import (
    IS_TOO_LARGE,
    MOST_SOURCE,
    MOST_TOKENS,
    TOO_MUCH_IN_TAGS,
)

_REFUSED_FILTERS = ("pprint", "random", "urlize")
_COMPARING_TESTS = ("eq", "equalto", "==", "ne", "!=", "lt", "lessthan", "<", "le", "<=", "gt",
                    "greaterthan", ">", "ge", ">=", "in")  # fmt: skip
_CONTEXT_ONLY = ("_loop_vars", "_block_vars")
"""What Jinja2 hands to each call for the context alone."""
_ROUND, _TEXT, _WEIGHED, _MADE = "round, counted", "text, counted", "weighed", "made, counted"
"""Filters that no template can name."""

Load = Callable[[str], bytes | None]
"""The source of a template by its name; None if there is none."""
T = TypeVar("T", bound=nodes.Node)


class _Bounding(NodeTransformer):
    """Puts the bounds into the tree."""

    def _through(self, name: str, node: nodes.Expr) -> nodes.Expr:
        return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)

    def _round(self, node: nodes.Node, body: list[nodes.Node]) -> nodes.Expr:
        """Counts one, and the plain text of `body`."""
        size = sum(len(data.data) for part in body for data in part.find_all(nodes.TemplateData))
        return self._through(_ROUND, nodes.Const(size, lineno=node.lineno))

    def _counted(self, node: T) -> T:
        body: list[nodes.Node] = node.body  # type: ignore[attr-defined]  # all that come here have one
        begin = nodes.ExprStmt(self._round(node, body), lineno=node.lineno)
        self.generic_visit(node)
        body.insert(0, begin)
        return node

    def visit_Template(self, node: nodes.Template) -> nodes.Node:
        return self._counted(node)

    def visit_Block(self, node: nodes.Block) -> nodes.Node:
        return self._counted(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:
        return self._counted(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:
        return self._counted(node)

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.test is not None:  # what it leaves out takes time, too
            node.test = nodes.And(self._round(node, []), node.test, lineno=node.lineno)
        return self._counted(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        node.nodes = [self._through(_TEXT, part) for part in node.nodes]
        return self._through(_MADE, node)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = self._through(_WEIGHED, node.expr)
        for operand in node.ops:
            operand.expr = self._through(_WEIGHED, operand.expr)
        return node

    def visit_Test(self, node: nodes.Test) -> nodes.Node:
        self.generic_visit(node)
        if node.name in _COMPARING_TESTS:
            node.node = self._through(_WEIGHED, node.node)
            node.args = [self._through(_WEIGHED, argument) for argument in node.args or []]
        return node

    def _literal(self, node: nodes.Expr) -> nodes.Node:
        self.generic_visit(node)
        return self._through(_MADE, node)

    visit_List = visit_Dict = _literal

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        return self._literal(node) if node.ctx == "load" else node


class _Counting(Extension):
    """Looks at the tokens of a template before they are parsed."""

    def filter_stream(self, stream: TokenStream) -> Iterator[Token]:
        for count, token in enumerate(stream, start=1):
            if count > MOST_TOKENS:
                raise TemplateSyntaxError(
                    TOO_MUCH_IN_TAGS, token.lineno, stream.name, stream.filename
                )
            yield token


class _Loader(BaseLoader):
    def __init__(self, load: Load) -> None:
        self._load = load

    def get_source(self, environment: Value, template: str) -> Value:  # noqa: ARG002 - Jinja2's
        try:
            source = self._load(template)
        except InvalidError as error:  # the lookup refuses the name
            raise RefusedError(str(error)) from None
        if source is None:
            raise TemplateNotFound(template)
        if len(source) > MOST_SOURCE:
            raise RefusedError(f"{template} {IS_TOO_LARGE}")
        return source.decode("latin-1"), template, lambda: True


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["*", "**", "%", "+", "-"])

    def __init__(self, load: Load, bounds: Bounds) -> None:
        super().__init__(
            loader=_Loader(load),
            extensions=[_Counting],
            keep_trailing_newline=True,
            finalize=bounds.text,
            optimized=False,
        )
        self._bounds = bounds
        own = {"replace": self._replace, "join": self._join, "sum": self._sum}
        own |= {"format": self._format, **dict.fromkeys(_REFUSED_FILTERS, _refused)}
        self.filters = {name: self._filter(name, own.get(name, FILTERS[name])) for name in FILTERS}
        self.filters |= {_ROUND: self._round, _TEXT: bounds.text}
        self.filters |= {_WEIGHED: self._weighed, _MADE: bounds.made}
        self.globals.pop("lipsum", None)

    def _generate(self, source: nodes.Template, *rest: Value, **named: Value) -> str:
        self._bounds.budget.check_time()
        return super()._generate(_Bounding().visit(source), *rest, **named)

    # --- what the tree calls ---

    def _round(self, size: int) -> bool:
        self._bounds.budget.step()
        self._bounds.budget.produce(size)
        return True

    def _weighed(self, value: Value) -> Value:
        self._bounds.weight(value)
        return value

    # --- filters ---

    def _filter(self, name: str, function: Callable[..., Value]) -> Callable[..., Value]:
        """The filter, reckoned before and counted after."""
        bounds, size = self._bounds, FILTER_SIZES.get(name)
        skipped = 1 if hasattr(function, "jinja_pass_arg") else 0

        @wraps(function)
        def bounded(*given: Value, **named: Value) -> Value:
            bounds.budget.step()
            for value in chain(given[skipped:], named.values()):
                bounds.weight(value)
            if size is not None:
                bounds.budget.fits(size(*given[skipped:], **named))
            return bounds.made(function(*given, **named))

        return bounded

    def _replace(self, s: Value, old: Value, new: Value, count: int | None = None) -> str:
        text, wanted, other = map(self._bounds.text, (s, old, new))
        self._bounds.budget.fits(replaced_size(text, wanted, other))
        return text.replace(wanted, other, -1 if count is None else count)

    def _join(self, value: Iterable[Value], d: Value = "", attribute: Value = None) -> str:
        items = self._items(value, attribute)
        between = self._bounds.text(d)
        self._bounds.budget.fits(self._bounds.weight(items) + len(between) * len(items))
        return between.join(map(self._bounds.text, items))

    def _sum(self, iterable: Iterable[Value], attribute: Value = None, start: Value = 0) -> Value:
        total = start
        for item in self._items(iterable, attribute):
            total = self._bounds.number(operator.add, total, item)
        return total

    def _items(self, items: Iterable[Value], attribute: Value) -> list[Value]:
        get = make_attrgetter(self, attribute) if attribute is not None else None
        return self._bounds.all_of(map(get, items) if get else items)

    def _format(self, value: Value, *given: Value, **named: Value) -> str:
        if given and named:
            raise TypeError("can't handle positional and keyword arguments at the same time")
        return self._bounds.formatted(self._bounds.text(value), named or given)

    # --- calls, operators, attributes ---

    def call(self, context: Context, function: Value, *given: Value, **named: Value) -> Value:
        self._bounds.budget.step()
        owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
        # Newer releases hand out `str.format` in a wrapping of their own, as safe.
        if getattr(function, "__qualname__", "").rpartition(".")[2] in ("format", "format_map"):
            raise SecurityError("`format` is not available here")
        if isinstance(owner, str):
            plain = {key: value for key, value in named.items() if key not in _CONTEXT_ONLY}
            return self._method(owner, name, function, given, plain)
        return self._bounds.made(super().call(context, function, *given, **named))

    def _method(
        self,
        owner: str,
        name: str,
        function: Callable[..., Value],
        given: tuple[Value, ...],
        named: Mapping[str, Value],
    ) -> Value:
        for value in (owner, *given, *named.values()):
            self._bounds.weight(value)
        if name == "join" and not named:
            return self._join(*given, owner) if len(given) == 1 else function(*given)
        if size := METHOD_SIZES.get(name):
            self._bounds.budget.fits(size(owner, *given, **named))
        return self._bounds.made(function(*given, **named))

    def call_binop(self, context: Context, sign: str, left: Value, right: Value) -> Value:
        bounds = self._bounds
        bounds.budget.step()
        if isinstance(left, Undefined) or isinstance(right, Undefined):
            return super().call_binop(context, sign, left, right)  # which is an error
        if sign == "*":
            return bounds.repeated(left, right)
        if sign == "**":
            return bounds.power(left, right)
        if sign == "%" and isinstance(left, str):
            return bounds.formatted(left, right)
        if sign == "+" and isinstance(left, str | list | tuple):
            bounds.budget.fits(bounds.weight(left) + bounds.weight(right))
        return bounds.made(super().call_binop(context, sign, left, right))

    def getitem(self, obj: Value, argument: Value) -> Value:
        found = super().getitem(obj, argument)
        return self._bounds.made(found) if isinstance(argument, slice) else found

    def is_safe_attribute(self, obj: Value, attr: str, value: Value) -> bool:
        if isinstance(obj, str) and attr not in METHODS:
            return False
        if isinstance(obj, bytes | int | float):  # `to_bytes(10 ** 10)`
            return False
        return super().is_safe_attribute(obj, attr, value)


def _refused(*_given: Value, **_named: Value) -> Value:
    raise RefusedError("this filter is not available here")


def render_jinja(
    name: str,
    variables: Mapping[str, Value],
    load: Load,
    clock: Callable[[], float],
    limits: Limits = Limits(),  # noqa: B008 - it never changes
) -> bytes:
    """The output of the template `name`. Raises `render.errors.TemplateError` with the line; then
    there is no output at all.
    """
    budget = Budget(limits, clock)
    environment = _Environment(load, Bounds(budget))
    parts: list[str] = []
    size = 0
    try:
        stream: Value = environment.get_template(name).generate(**variables)
        for part in stream:
            size += len(part)
            parts.append(part)
            try:
                budget.grows_to(size)
            except Exhausted as error:
                stream.throw(error)  # so that it has the place in the template
        return "".join(parts).encode("latin-1")
    except _FAULTS as error:
        raise _located(error, load, name) from None


def check_jinja(name: str, source: bytes) -> None:
    """Compiles the template and runs nothing. Raises `render.errors.TemplateError`."""
    load: Load = {name: source}.get
    try:
        _Environment(load, Bounds(Budget(Limits(), lambda: 0.0))).get_template(name)
    except _FAULTS as error:
        raise _located(error, load, name) from None


_FAULTS = (
    Exhausted,
    RefusedError,
    RecursionError,
    MemoryError,
    TemplateError,
    SyntaxError,  # of what Jinja2 made: more levels than Python's compiler takes
    RuntimeError,  # of Jinja2's own objects, as `cycler()`
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    UnicodeError,
    AssertionError,  # of a filter's arguments, as `truncate(2)`
    NameError,  # Jinja2 writes an infinite number as a name
)
"""What a template can do wrong while it runs; anything else would be a fault of ours."""


def _located(error: Exception, load: Load, name: str) -> OurError:
    if isinstance(error, TemplateSyntaxError):
        what = error.message or "is no Jinja2"
        return OurError(what, name=error.name or name, line=error.lineno)
    where, line = _place(error, load, name)
    if isinstance(error, Exhausted | RecursionError | MemoryError):
        what = str(error) if isinstance(error, Exhausted) else "goes too many levels deep"
        return LimitError(what, name=where, line=line)
    what = str(error) or type(error).__name__
    missing = isinstance(error, TemplateNotFound)
    return OurError(f"{what}: not found" if missing else what, name=where, line=line)


def _place(error: BaseException, load: Load, name: str) -> tuple[str, int]:
    """Template and line where it happened; Jinja2 gives its frames the template's name."""
    found, trace = (name, 0), error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file == name or (file.endswith(".j2") and load(file) is not None):
            found = (file, trace.tb_lineno)
        trace = trace.tb_next
    return found
