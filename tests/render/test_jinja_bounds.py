"""Templates in Jinja2 that want more than their share, by whatever means."""

from __future__ import annotations

import pytest

from pmgsync.render.errors import LimitError, TemplateError
from pmgsync.render.perl.budget import Limits
from pmgsync.render.recording import Reads, names, recorded
from tests.render.test_jinja import PMG, rendered

SMALL = Limits(steps=100_000, output=2**20, items=20_000)
GROWING = "{% set n = namespace(x=START) %}{% for i in range(60) %}{% set n.x = STEP %}{% endfor %}"


def growing(start: str, step: str, end: str = "") -> str:
    return GROWING.replace("START", start).replace("STEP", step) + end


BEYOND = [
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(99999) if false %}{% endfor %}{% endfor %}",
    "{% for i in range(99999) recursive %}{{ loop(range(99999)) }}{% endfor %}",
    "{% for i in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
    "{% include 'main.cf.in.j2' %}",
    "{% set x %}{% for i in range(99999) %}" + "y" * 5000 + "{% endfor %}{% endset %}",
    "{% for i in range(99999) %}" + "y" * 500 + "{% endfor %}",
    "{% macro m() %}" + "y" * 5000 + "{% endmacro %}"
    "{% set x %}{% for i in range(99999) %}{{ m() }}{% endfor %}{% endset %}",
    "{% set x %}{% for i in range(99999) %}{% include 'big' %}{% endfor %}{% endset %}",
    growing("'aaaaaaaa'", "n.x ~ n.x"),
    growing("'aaaaaaaa'", "n.x + n.x"),
    growing("'aaaaaaaa'", "n.x * 2"),
    growing("'aaaaaaaa'", "2 * n.x"),
    growing("'aaaaaaaa'", "n.x.replace('a', 'aa')"),
    growing("'aaaaaaaa'", "n.x | replace('a', 'aa')"),
    growing("'aaaaaaaa'", "[n.x, n.x] | join"),
    growing("'aaaaaaaa'", "'-'.join([n.x, n.x])"),
    growing("'aaaaaaaa'", "'%s%s' % (n.x, n.x)"),
    growing("'aaaaaaaa'", "'%(a)s%(a)s' | format(a=n.x)"),
    growing("[1, 2, 3]", "n.x + n.x"),
    growing("[1, 2, 3]", "n.x * 2"),
    growing("[1]", "[n.x, n.x]", "{{ n.x }}"),
    growing("{'a': 1}", "{'a': n.x, 'b': n.x}", "{{ n.x | tojson }}"),
    growing("[1]", "dict(a=n.x, b=n.x)", "{{ n.x }}"),
    growing("(1,)", "(n.x, n.x)", "{{ n.x == n.x }}"),
    "{{ 'a' * 1000000000 }}",
    "{{ [1] * 1000000000 }}",
    "{{ 'x'.center(10000000000) }}",
    "{{ 'x'.ljust(10000000000) }}{{ 'x'.rjust(10000000000) }}",
    "{{ '1'.zfill(10000000000) }}",
    "{{ '\\t'.expandtabs(1000000000) }}",
    "{{ 'x' | center(10000000000) }}",
    "{{ 'x' | center(width=10000000000) }}",
    "{{ 'x' | indent(10000000000, first=true) }}",
    "{{ ('x ' * 30000) | wordwrap(1, wrapstring='y' * 1000) }}",
    "{{ [1] | batch(10000000000, 0) | list }}",
    "{{ [1] | batch(linecount=10000000000, fill_with=0) | list }}",
    "{{ [1] | slice(10000000000) | list }}",
    "{{ ['x'] | map('center', 10000000000) | list }}",
    "{{ '%10000000000d' % 1 }}",
    "{{ '%.10000000000f' % 1 }}",
    "{{ '%10000000000d' | format(1) }}",
    "{{ 'x' | replace('', 'y' * 9999999) | replace('', 'y' * 9999999) }}",
    "{% set x = 'y' * 999999 %}{{ [x[1:], x[2:], x[3:], x[4:], x[5:], x[6:], x[7:], x[8:]] }}",
]


@pytest.mark.parametrize("source", BEYOND)
def test_bounds(source: str) -> None:
    """Each is an error with the line, and it needs less memory than it asks for."""
    with pytest.raises(LimitError, match=r"^main\.cf\.in\.j2 line 2: |^big "):
        rendered(f"\n{source}", more={"big": b"y" * 9999}, limits=SMALL)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ x }}" * 9_000, "has more than 10,000 words and signs"),
        ("{{ 2 ** 100000000 }}", "the number is too large"),
        ("{{ 2 ** 4000 * 2 ** 4000 }}", "the number is too large"),
        (growing("3", "n.x * n.x"), "the number is too large"),
        ("{{ '%*d' % (1000000000, 1) }}", "in a format is not available"),
        ("{{ '{:>10000000000}'.format(1) }}", "'format'|`format`"),
        ("{{ '{:>10000000000}'['format'](1) }}", "'format'|`format`"),
        ("{{ ('{:>10000000000}' | attr('format'))(1) }}", "format|callable"),
        ("{{ ('{a:>10000000000}' | attr('format_map'))({'a': 1}) }}", "unsafe|callable|format"),
        ("{{ 'a'.translate({97: 'b'}) }}", "translate"),
        ("{{ (5).to_bytes(10000000000, 'big') }}", "to_bytes"),
        ("{{ 'a'.encode().center(10000000000) }}", "encode"),
        ("{{ range(10 ** 9) | list }}", "too big"),
        ("{{ ('x ' * 50000) | wordwrap }}", "64 KiB at most"),
        ("{{ ('x ' * 50000) | striptags }}", "64 KiB at most"),
        ("{{ [[1], [2]] | sum(start=[]) }}", "is no number"),
        ("{{ 'x' | pprint }}", "not available here"),
        ("{{ {'a': 1} | tojson(indent=99999999) }}", "indents by 16"),
        ("{{ [1] * 'a' }}", "is no number"),
        ("{{ 'some words' | truncate(2) }}", "expected length"),
        ("{{ 1e999 | int }}", "inf"),
        ("{{ 1 | round(1000000000, 'ceil') }}", "steps"),
        ("{{ 1 | round(-1000000000) }}", "steps"),
        ("{{ '%((a))300000000d' % {'(a)': 1} }}", "in the name of a format"),
        ("{{ ('\\r' * 1000000) | indent(300, blank=true) }}", "16 MiB"),
        (
            "{% set n = namespace(h='abc') %}{% for i in range(40) %}"
            "{% set n.h = namespace(a=n.h, b=n.h) %}{% endfor %}{{ n.h }}",
            "1000000 items",
        ),
    ],
)
def test_what_is_refused_says_so(source: str, said: str) -> None:
    with pytest.raises(TemplateError, match=rf"^main\.cf\.in\.j2 line 2: .*({said})"):
        rendered(f"\n{source}")


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("{{ 'ab'.replace('a', 'x') }}{{ 'ab' | replace('b', 'y', 1) }}", b"xbay"),
        ("{{ ','.join(['a', 'b']) }}{{ [1, 2] | join('-') }}", b"a,b1-2"),
        ("{{ [{'a': 1}, {'a': 2}] | join('+', attribute='a') }}", b"1+2"),
        ("{{ 'a'.center(3) }}|{{ 'a' | center(3) }}|{{ 'a'.rjust(2) }}", b" a | a | a"),
        ("{{ '%s-%03d' % ('a', 7) }}{{ '%.2f%%' | format(1.5) }}", b"a-0071.50%"),
        ("{{ '%(a)s' | format(a=1) }}", b"1"),
        ("{{ 'a\\nb' | indent(2) }}", b"a\n  b"),
        ("{{ 'aa bb' | wordwrap(2) }}", b"aa\nbb"),
        ("{{ [1, 2, 3] | batch(2) | list }}", b"[[1, 2], [3]]"),
        ("{{ [1, 2] | slice(2) | list }}", b"[[1], [2]]"),
        ("{{ 'ab' * 2 }}{{ 2 * [1] }}{{ 2 * 1.5 }}{{ 4 ** 0.5 }}", b"abab[1, 1]3.02.0"),
        ("{{ [1, 2.5] | sum }}{{ [{'a': 3}] | sum('a') }}", b"3.53"),
        ("{{ 'abc'[1:] }}{{ [3, 1] | sort | first }}{{ 1 is in [1] }}", b"bc1True"),
        ("{{ 'A' if pmg.mail.relay == '192.0.2.1' else 'B' }}{{ nothing == 1 }}", b"AFalse"),
        ("{% for i in range(5) if i is odd %}{{ loop.index }}{{ i }}{% endfor %}", b"1123"),
        ("{% extends 'base' %}{% block b %}<{{ super() }}>{% endblock %}", b"[<x>]"),
        (
            "{% macro each() %}{{ caller(1) }}{% endmacro %}"
            "{% call(x) each() %}{{ x }}{% endcall %}",
            b"1",
        ),
        ("{{ {'a': 1} | tojson(indent=1) }}", b'{\n "a": 1\n}'),
    ],
)
def test_within_the_bounds_it_is_jinja(source: str, output: bytes) -> None:
    assert rendered(source, more={"base": b"[{% block b %}x{% endblock %}]"}) == output


def test_what_is_weighed_is_not_noted_as_read() -> None:
    reads: Reads = {}
    rendered("{{ [pmg, 1] | length }}{{ pmg == 1 }}", recorded(PMG, reads))
    assert "pmg.mail.queue-lifetime" not in reads or names(reads) == ("pmg",)
