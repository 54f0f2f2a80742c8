"""PURE. Templates in plain Jinja2 (`NAME.j2`), with the same variables, in Jinja2's sandbox.

Three things differ from Jinja2 as it comes: the last line keeps its end, for the output is a file;
what is undefined as a value (None) prints nothing; and there are bounds. Loops and calls are
counted and timed, the output is limited, and what makes long texts out of short ones
(`'x' * 10 ** 9`, `center`, `format`) is refused. Templates and values are bytes, read as Latin-1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jinja2 import BaseLoader, TemplateError, TemplateNotFound, nodes
from jinja2.exceptions import SecurityError, TemplateSyntaxError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from pmgsync.render.errors import LimitError
from pmgsync.render.errors import TemplateError as OurError

MOST_STEPS = 1_000_000
MOST_SECONDS = 5.0
MOST_OUTPUT = 16 << 20
_STEPS_PER_LOOK = 256
_GROWING_FILTERS = ("center", "format", "indent", "wordwrap", "pprint", "tojson", "urlize")
_GROWING_METHODS = frozenset(
    ["center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map", "replace", "join"]
)

_TURNS, _SIZED = "turns, counted", "text, counted"
"""Filters that no template can name."""

Load = Callable[[str], bytes | None]
"""The source of a template by its name; None if there is none."""


class _Bounds:
    """Steps and time of one rendering."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._end = clock() + MOST_SECONDS
        self._steps = self._made = 0

    def step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise _ExhaustedError(f"takes more than {MOST_STEPS:,} steps")
        if self._steps % _STEPS_PER_LOOK == 0 and self._clock() > self._end:
            raise _ExhaustedError(f"takes longer than {MOST_SECONDS:g} seconds")

    def produce(self, size: int) -> None:
        """So much text more, printed or kept for later."""
        self._made += size
        if self._made > 4 * MOST_OUTPUT:
            raise _ExhaustedError(f"makes more than {4 * MOST_OUTPUT >> 20} MiB of text")


class _ExhaustedError(Exception):
    """A bound was reached."""


class _Bounding(NodeTransformer):
    """Puts the bounds into the tree: each turn of a loop and each text put together is counted."""

    def visit_For(self, node: nodes.For) -> nodes.Node:
        text = sum(len(data.data) for data in node.find_all(nodes.TemplateData))
        self.generic_visit(node)
        if not node.recursive:
            node.iter = nodes.Filter(node.iter, _TURNS, [nodes.Const(text)], [], None, None)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return nodes.Filter(node, _SIZED, [], [], None, None, lineno=node.lineno)


class _Loader(BaseLoader):
    def __init__(self, load: Load) -> None:
        self._load = load

    def get_source(self, environment: Any, template: str) -> Any:  # noqa: ANN401, ARG002 - Jinja2's
        source = self._load(template)
        if source is None:
            raise TemplateNotFound(template)
        return source.decode("latin-1"), template, lambda: True


class _Environment(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(["*", "**", "%", "+"])

    def __init__(self, load: Load, bounds: _Bounds) -> None:
        super().__init__(
            loader=_Loader(load),
            keep_trailing_newline=True,
            finalize=self._printed,
        )
        self._bounds = bounds
        self.filters = {k: v for k, v in self.filters.items() if k not in _GROWING_FILTERS}
        self.filters |= {_TURNS: self._turns, _SIZED: self._sized}
        self.globals.pop("lipsum", None)

    def _printed(self, value: Any) -> Any:  # noqa: ANN401 - any value
        text = "" if value is None else str(value)
        self._bounds.produce(len(text))
        return text

    def _turns(self, values: Iterable[Any], text: int) -> Iterator[Any]:
        for value in values:
            self._bounds.step()
            self._bounds.produce(text)
            yield value

    def _sized(self, value: Any) -> Any:  # noqa: ANN401 - any value
        self._bounds.produce(len(value) if isinstance(value, str | list | tuple) else 0)
        return value

    def _generate(self, source: nodes.Template, *rest: Any, **named: Any) -> str:  # noqa: ANN401 - Jinja2's
        return super()._generate(_Bounding().visit(source), *rest, **named)

    def call(self, context: Context, function: Any, *given: Any, **named: Any) -> Any:  # noqa: ANN401 - Jinja2's
        self._bounds.step()
        # Newer releases hand out `str.format` in a wrapping of their own, as safe.
        if getattr(function, "__qualname__", "").rpartition(".")[2] in ("format", "format_map"):
            raise SecurityError("`format` is not available here")
        return super().call(context, function, *given, **named)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401 - Jinja2's
        if operator == "+":
            return self._sized(left + right)
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if not numbers or (operator == "**" and abs(right) > 64):  # noqa: PLR2004 - bits
            raise SecurityError(f"`{operator}` is for small numbers only here")
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:  # noqa: ANN401 - Jinja2's
        if isinstance(obj, str) and attr in _GROWING_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)


def render_jinja(
    name: str, variables: Mapping[str, Any], load: Load, clock: Callable[[], float]
) -> bytes:
    """The output of the template `name`. Raises `render.errors.TemplateError` with the line; then
    there is no output at all.
    """
    environment = _Environment(load, _Bounds(clock))
    parts, size = [], 0
    try:
        for part in environment.get_template(name).generate(**variables):
            size += len(part)
            if size > MOST_OUTPUT:
                raise _ExhaustedError(f"makes more than {MOST_OUTPUT >> 20} MiB of text")
            parts.append(part)
        return "".join(parts).encode("latin-1")
    except TemplateSyntaxError as error:
        what = error.message or "is no Jinja2"
        raise OurError(what, name=error.name or name, line=error.lineno) from None
    except (_ExhaustedError, RecursionError, MemoryError) as error:
        what = str(error) if isinstance(error, _ExhaustedError) else "goes too many levels deep"
        where, line = _place(error, load, name)
        raise LimitError(what, name=where, line=line) from None
    except _FAULTS as error:
        where, line = _place(error, load, name)
        what = str(error) or type(error).__name__
        missing = isinstance(error, TemplateNotFound)
        raise OurError(f"{what}: not found" if missing else what, name=where, line=line) from None


_FAULTS = (
    TemplateError,
    SyntaxError,  # of what Jinja2 made: more levels than Python's compiler takes
    RuntimeError,  # of Jinja2's own objects, as `cycler()`
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    UnicodeError,
)
"""What a template can do wrong while it runs; anything else would be a fault of ours."""


def _place(error: BaseException, load: Load, name: str) -> tuple[str, int]:
    """Template and line where it happened; Jinja2 gives its frames the template's name."""
    found, trace = (name, 0), error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file == name or (file.endswith(".j2") and load(file) is not None):
            found = (file, trace.tb_lineno)
        trace = trace.tb_next
    return found
