"""What a template may not do: code, files, attributes, and more than its share."""

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from pmgsync.render.compile import Templates, compile_template
from pmgsync.render.errors import LimitError, TemplateError
from pmgsync.render.perl.budget import Limits
from pmgsync.render.source_bounds import MOST_SOURCE
from pmgsync.render.tt2.options import Options


def render(
    template: str,
    files: dict[str, str] | None = None,
    clock: Callable[[], float] = lambda: 0.0,
    **variables: object,
) -> bytes:
    known = {"t": template, **(files or {})}

    def lookup(name: str) -> bytes | None:
        return known[name].encode() if name in known else None

    return Templates().render("t", variables, lookup, clock)


@pytest.mark.parametrize(
    "template",
    [
        "[% x = 'a'; x.repeat(1000000000).length %]",
        "[% 'a' | repeat(1000000000) %]",
        "[% x = 'a'; FOREACH i IN [1..40]; x = x _ x; END; x.length %]",
        "[% x = 'a'; FOREACH i IN [1..40]; x = \"$x$x\"; END; x.length %]",
        "[% x = ['a']; FOREACH i IN [1..40]; x = x.merge(x); END; x.size %]",
        "[% x = ['a']; FOREACH i IN [1..40]; x.import(x); END; x.size %]",
        "[% x = ['a'..'zzzz']; FOREACH i IN [1..40]; x = x.join(x.join); END %]",
        "[% x = [1..1000000000]; x.size %]",
        "[% x = ['a'..'zzzzzzzz']; x.size %]",
        "[% FOREACH a IN [1..1000]; FOREACH b IN [1..1000]; FOREACH c IN l; d; END; END; END %]",
        "[% FOREACH a IN [1..999999] %]0123456789012345678901234567890123456789[% END %]",
        "[% x = []; x.999999999 = 1 %]",
        "[% x = 5; x | format('%999999999d') %]",
        "[% x = 5; x | format('%.999999999f') %]",
        "[% x = 'ab'; x.replace('', y.repeat(9)) FOREACH y IN ['a'] %][% x | indent(999999999) %]",
        "[% x = 'a'; l = x.list; l.first(999999999).size %]",
        "[% l = [1]; l.last(999999999).size %]",
        "[% l = [1]; l.slice(0, 999999999).size %]",
        "[% BLOCK b %][% INCLUDE b %][% END %][% INCLUDE b %]",
        "[% MACRO m BLOCK %][% m %][% END %][% m %]",
        "[% MACRO m(n) BLOCK; m(n + 1); END; m(1) %]",
        "[% BLOCK a; PROCESS b; END; BLOCK b; PROCESS a; END; PROCESS a %]",
        "[% TRY; BLOCK b; INCLUDE b; END; INCLUDE b; CATCH; 'caught'; END %]",
        "[% TRY; x = 'a'; x = x.repeat(1000000000); CATCH; 'caught'; END %]",
        "[% f = \\f; f %]",
        "[% USE String('a'); String.repeat(999999999) %]",
        "[% USE String('a'); String.left(999999999) %]",
        "[% USE String('a'); String.center(999999999) %]",
        "[% USE String('a'); FOREACH i IN [1..40]; CALL String.push(String.text); END %]",
        "[% USE s = String('aaaa'); b = 'b'; s.replace('a', b.repeat(9999999)).length %]",
        "[% USE table([1], cols=1, overlap=999999999); table.rows.size %]",
        "[% USE table([1], cols=1, overlap=999999999); table.col(0).size %]",
        "[% USE d = Dumper; x = [1]; FOREACH i IN [1..9999]; x = [x]; END; d.dump(x) %]",
        "[% USE d = Dumper(pad=s.repeat(999999)); d.dump([1..1000]) %]",
        "[% USE wrap; wrap(s.repeat(9999), 50, '', s.repeat(4000)) %]",
        "[% a = \\b; b = \\a; a %]",
    ],
)
def test_row_11_more_than_its_share_is_an_error(template: str) -> None:
    with pytest.raises(LimitError):
        render(template, s="x ")


def test_a_while_loop_ends_as_in_the_toolkit() -> None:
    with pytest.raises(TemplateError, match="WHILE loop terminated"):
        render("[% WHILE 1 %][% END %]")


def ticking(step: float) -> Callable[[], float]:
    ticks: Iterator[int] = count()
    return lambda: next(ticks) * step


def test_the_time_is_limited_by_the_given_clock() -> None:
    template = "[% FOREACH a IN [1..100]; FOREACH b IN [1..100]; c; END; END %]"
    assert render(template, clock=ticking(0.001)) == b""
    with pytest.raises(LimitError, match="longer than 5 seconds"):
        render(template, clock=ticking(1.0))


@pytest.mark.parametrize(
    "template",
    [
        "[% USE table([1..300], rows=299, overlap=298); t = table.rows %]",
        "[% x = []; FOREACH i IN [1..20]; x = [x, x]; END %]"
        "[% USE d = Dumper(deepcopy=1); d.dump(x) %]",
        "[% USE d = Dumper; x = []; FOREACH i IN [1..20000]; x.push([]); END; d.dump(x) %]",
        "[% USE wrap; y = wrap(s.repeat(50000), 2) %]",
        "[% USE s = String(s.repeat(50000)); s.replace('x', 'y').length %]",
    ],
)
def test_what_takes_long_counts_its_steps(template: str) -> None:
    templates = Templates(limits=Limits(steps=40_000))
    with pytest.raises(LimitError, match="more than 40000 steps"):
        templates.render("t", {"s": "x "}, lambda _: template.encode(), lambda: 0.0)


@pytest.mark.parametrize(
    "piece",
    [
        "s _ i",
        '"$s$i"',
        "s.upper",
        "s.split('')",
        "l.slice(0)",
        "h.keys",
        f"[{'1,' * 900}1]",
        f"{{{'a => 1,' * 900}b => 1}}",
    ],
)
def test_what_is_made_on_the_way_is_counted_although_it_is_small(piece: str) -> None:
    template = f"[% FOREACH i IN [1..1000]; kept.$i = {piece}; END %]"
    variables = {"s": "x" * 9000, "l": list(range(900)), "h": {str(key): 1 for key in range(900)}}
    templates = Templates(limits=Limits(made=2**20))
    with pytest.raises(LimitError, match="more than 1 MiB of texts and lists on the way"):
        templates.render("t", variables, lambda _: template.encode(), lambda: 0.0)


def test_limits_can_be_smaller() -> None:
    templates = Templates(limits=Limits(output=1000))
    with pytest.raises(LimitError):
        templates.render("t", {}, lambda _: b"x" * 1001, lambda: 0.0)
    assert len(templates.render("u", {}, lambda _: b"x" * 1000, lambda: 0.0)) == 1000


def test_a_source_may_not_be_huge() -> None:
    with pytest.raises(TemplateError, match="larger than 256 KiB"):
        render("x" * (MOST_SOURCE + 1))


@pytest.mark.parametrize("piece", ["[%x%]", "[% x; %]", '[% "$x$x" %]', "[% [1,1,1] %]", "$x"])
def test_a_source_may_not_have_more_in_its_tags_than_compiling_can_take(piece: str) -> None:
    source = "\n" + piece * (MOST_SOURCE // len(piece) - 1)
    with pytest.raises(LimitError, match=r"^t line 2: has more than 10,000 words and signs"):
        compile_template(source.encode(), "t", Options(INTERPOLATE=True))


def test_what_stands_between_tags_and_in_comments_costs_nothing() -> None:
    assert len(render("x" * 200_000 + "[% # y %]" * 6000)) == 200_000


@pytest.mark.parametrize("inside", ["[%%]", "[% %]", "%%\n", "%%# x\n"])
def test_many_tags_are_found_in_one_pass(inside: str) -> None:
    """Seconds, not minutes: where one kind of tag is missing, it is not looked for at each tag."""
    count = (MOST_SOURCE - 20) // len(inside)
    assert not render("[% TAGS outline -%]\n" + inside * count).strip()


def test_compiling_takes_of_the_time_of_the_rendering() -> None:
    files = {f"f{number}": "" for number in range(9)}
    template = "".join(f"[% INCLUDE {name} %]" for name in files)
    assert render(template, files, ticking(0.1)) == b""
    with pytest.raises(LimitError, match=r"^t line 1: takes longer than 5 seconds"):
        render(template, files, ticking(1.0))


@pytest.mark.parametrize(
    "template",
    [
        "[% " + "(" * 500 + "1" + ")" * 500 + " %]",
        "[% x = " + "[" * 500 + "]" * 500 + " %]",
        "[% x = " + "{a=>" * 500 + "1" + "}" * 500 + " %]",
        "[% " + "! " * 500 + "x %]",
        "[% IF x %]" * 500 + "[% END %]" * 500,
        "[% FOREACH x IN y %]" * 500 + "[% END %]" * 500,
        "[% FILTER upper %]" * 500 + "[% END %]" * 500,
        "[% x" + ".y(a" * 500 + ")" * 500 + " %]",
        "[% " + "x = " * 5000 + "1 %]",
        "[% " + "1 ? 2 : " * 500 + "3 %]",
        "[% 1" + " + 1" * 5000 + " %]",
        "[% 1" + " || 1" * 5000 + " %]",
        "[% 1" + " < 1" * 5000 + " %]",
        "[% x" + " | upper" * 5000 + " %]",
    ],
)
def test_nesting_is_limited(template: str) -> None:
    with pytest.raises(TemplateError):
        render(template)


@pytest.mark.parametrize("depth", [10, 30, 50])
def test_some_nesting_is_fine(depth: int) -> None:
    assert render("[% IF 1 %]" * depth + "x" + "[% END %]" * depth) == b"x"
    loops = "[% FOREACH x IN [1] %]" * depth + "x" + "[% END %]" * depth
    assert render(loops) == b"x"
    assert render("[% " + "(" * depth + "5" + ")" * depth + " %]") == b"5"
    assert render("[% x = 1" + " _ 1" * 1000 + " %][% x.length %]") == b"1001"


@pytest.mark.parametrize(
    "name",
    [
        "__class__",
        "__init__",
        "_machine",
        "mro",
        "func_globals",
        "gi_frame",
        "format",
        "encode",
        "append",
        "items.im_func",
        "upper.__self__",
    ],
)
def test_row_11_python_has_no_attributes_here(name: str) -> None:
    words = ("s", "l", "h", "n", "error", "template", "loop", "component", "global", "inc", "tt")
    for variable in words:
        output = render(f"[% {variable}.{name} %]", s="abc", l=[1], h={"a": 1}, n=5)
        assert b"<" not in output
        assert b"object" not in output


def test_values_given_in_stay_untouched() -> None:
    given: dict[str, Any] = {"h": {"a": [1]}, "l": [1, 2]}
    render("[% h.a.push(2); h.b = 3; l.shift; l.0 = 'x' %]", **given)
    assert given == {"h": {"a": [1]}, "l": [1, 2]}


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "../x", "a/../x", "./x", "a/./x", "...//x", "foo:x", "http://x/y"]
)
@pytest.mark.parametrize("verb", ["INCLUDE", "PROCESS", "INSERT", "WRAPPER"])
def test_row_11_no_name_leads_out_of_the_template_path(verb: str, name: str) -> None:
    end = "[% END %]" if verb == "WRAPPER" else ""
    with pytest.raises(TemplateError, match="file error"):
        render(f"[% {verb} '{name}' %]{end}", {name: "secret"})


def test_an_error_in_another_template_names_that_one() -> None:
    with pytest.raises(TemplateError) as caught:
        render("a\nb\n[% INCLUDE inner %]", {"inner": "\n[% 1 / 0 %]"})
    assert (caught.value.name, caught.value.line) == ("inner", 2)
    with pytest.raises(TemplateError) as caught:
        render("a\nb\n[% INCLUDE inner %]", {"inner": "\n\n[% IF %]"})
    assert (caught.value.name, caught.value.line) == ("inner", 3)
    with pytest.raises(TemplateError) as caught:
        render("a\nb\n[% INCLUDE missing %]")
    assert (caught.value.name, caught.value.line) == ("t", 3)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("[% FOREACH x IN l; BLOCK b; LAST; END; PROCESS b; END %]", "in a BLOCK inside of a loop"),
        ("[% WHILE x; BLOCK b; IF x; NEXT; END; END; END %]", "in a BLOCK inside of a loop"),
        (
            "[% MACRO m BLOCK; NEXT IF x; END; FOREACH x IN l; m; END %]",
            "in a MACRO without a loop",
        ),
        ("[% FOREACH x IN l; MACRO m IF x; LAST; END; m; END %]", "in a MACRO without a loop"),
        ("[% x = \\${'a.b'} %]", "a reference to a name in quotes with dots"),
        ("[% 300 | format('%c') %]", "beyond 255 is not supported"),
    ],
)
def test_what_would_be_something_else_is_refused(template: str, said: str) -> None:
    with pytest.raises(TemplateError, match=f"^t line 1: .*{said}"):
        render(template, l=[1])
