"""The filters: `| html`, `FILTER indent('> ')`. Each is made from its arguments, then takes a text.

What would run code or write elsewhere is refused with the reason; see docs/template-toolkit.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.escapes import (
    escape_entities,
    escape_html,
    escape_uri,
    escape_url,
    escape_xml,
)
from pmgsync.render.perl.faults import Fault
from pmgsync.render.perl.sprintf import sprintf
from pmgsync.render.perl.text_methods import (
    argument,
    collapse,
    lower,
    repeat,
    replace,
    split_at,
    trim,
    upper,
)
from pmgsync.render.perl.values import Callable_, Value, is_true, text, whole

FilterFunction = Callable[[str], str]
FilterMaker = Callable[[Budget, list[Value]], FilterFunction]


def _static(function: FilterFunction) -> FilterMaker:
    return lambda _budget, _arguments: function


_PARAGRAPHS = re.compile(r"(\r?\n){2,}")
_LINE_END = re.compile(r"\n")
_BREAK = re.compile(r"(\r?\n)")


def _html_para(budget: Budget, _arguments: list[Value]) -> FilterFunction:
    def paragraphs(string: str) -> str:
        pieces = map(text, split_at(budget, string, _PARAGRAPHS.finditer(string)))
        return "<p>\n" + "\n</p>\n\n<p>\n".join(pieces) + "</p>\n"

    return paragraphs


def _indent(budget: Budget, arguments: list[Value]) -> FilterFunction:
    pad = text(argument(arguments, 0)) if argument(arguments, 0) is not None else "4"
    if re.match(r"\d+\n?\Z", pad):
        pad = repeat(budget, " ", pad)

    def indented(string: str) -> str:
        budget.fits(len(string) + len(pad) * (string.count("\n") + 1))
        return re.sub(r"(?m)^(?!\Z)|\A", lambda _: pad, string)

    return indented


def _format(budget: Budget, arguments: list[Value]) -> FilterFunction:
    given = argument(arguments, 0)
    form = "%s" if given is None else text(given)

    def formatted(string: str) -> str:
        lines = split_at(budget, string, _LINE_END.finditer(string))
        budget.fits(len(form) * len(lines))
        return "\n".join(sprintf(budget, form, [line]) for line in lines)

    return formatted


def _truncate(_budget: Budget, arguments: list[Value]) -> FilterFunction:
    given, added = argument(arguments, 0), argument(arguments, 1)
    length = 32 if given is None else whole(given)
    tail = "..." if added is None else text(added)
    kept = length - len(tail)
    if kept < 0:
        kept, tail = 0, tail[:length]

    def truncated(string: str) -> str:
        if len(string) <= length:
            return string
        return string[:kept] + tail

    return truncated


def _repeat(budget: Budget, arguments: list[Value]) -> FilterFunction:
    given = argument(arguments, 0)
    count: Value = 1 if given is None or text(given) == "" else given
    return lambda string: repeat(budget, string, count)


def _replace(budget: Budget, arguments: list[Value]) -> FilterFunction:
    pattern, new = text(argument(arguments, 0)), text(argument(arguments, 1))

    return lambda string: replace(budget, string, pattern, new, expands=False)


def _remove(budget: Budget, arguments: list[Value]) -> FilterFunction:
    pattern = text(argument(arguments, 0))
    return lambda string: replace(budget, string, pattern, "")


def _refused(kind: str, why: str) -> FilterMaker:
    def refuse(_budget: Budget, _arguments: list[Value]) -> FilterFunction:
        raise Fault(kind, why)

    return refuse


FILTERS: Mapping[str, FilterMaker] = {
    "html": _static(escape_html),
    "xml": _static(escape_xml),
    "uri": _static(escape_uri),
    "url": _static(escape_url),
    "upper": _static(upper),
    "lower": _static(lower),
    "ucfirst": _static(lambda string: upper(string[:1]) + string[1:]),
    "lcfirst": _static(lambda string: lower(string[:1]) + string[1:]),
    "trim": _static(trim),
    "collapse": _static(collapse),
    "null": _static(lambda _string: ""),
    "html_para": _html_para,
    "html_break": _static(lambda string: _PARAGRAPHS.sub(r"\1<br />\1<br />\1", string)),
    "html_para_break": _static(lambda string: _PARAGRAPHS.sub(r"\1<br />\1<br />\1", string)),
    "html_line_break": _static(lambda string: _BREAK.sub(r"<br />\1", string)),
    "indent": _indent,
    "format": _format,
    "truncate": _truncate,
    "repeat": _repeat,
    "replace": _replace,
    "remove": _remove,
    "html_entity": _static(escape_entities),
    **dict.fromkeys(["eval", "evaltt"], _refused("filter", "eval is not supported")),
    **dict.fromkeys(["perl", "evalperl"], _refused("perl", "EVAL_PERL is not set")),
    **dict.fromkeys(["redirect", "file"], _refused("redirect", "OUTPUT_PATH is not set")),
    **dict.fromkeys(["stdout", "stderr"], _refused("filter", "writes elsewhere: not supported")),
}


class Filters:
    """The filters of one rendering: those of every template, and what plugins and aliases add."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._makers = dict(FILTERS)
        self._aliases: dict[str, FilterFunction] = {}

    def add(self, name: str, maker: FilterMaker) -> None:
        """A filter more, as a plugin brings it."""
        self._makers[name] = maker

    def known(self, name: Value, arguments: list[Value]) -> FilterFunction | None:
        """The filter of that name, made with these arguments; None if there is none."""
        maker = self._makers.get(text(name))
        return None if maker is None else maker(self._budget, arguments)

    def find(self, name: Value, arguments: list[Value] | None, alias: Value) -> FilterFunction:
        """The filter that a template wants; kept under `alias` if there is one."""
        if isinstance(name, Callable_):
            code = name
            return lambda string: text(code.call([string]))
        if arguments is None and text(name) in self._aliases:
            return self._aliases[text(name)]
        function = self.known(name, arguments or [])
        if function is None:
            raise Fault("undef", f"{text(name)}: filter not found")
        if is_true(alias):
            self._aliases[text(alias)] = function
        return function
