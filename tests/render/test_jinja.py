"""Templates in plain Jinja2: the same variables, a sandbox, bounds, errors with their line."""

import time
from collections.abc import Mapping
from typing import Any

import pytest

from pmgsync.errors import InvalidError
from pmgsync.render.errors import LimitError, TemplateError
from pmgsync.render.jinja import render_jinja
from pmgsync.render.perl.budget import Limits
from pmgsync.render.recording import Reads, names, recorded
from tests.unit.render.nodes import CONF, Gateway, conf

PMG: dict[str, Any] = {
    "pmg": {"mail": {"relay": "192.0.2.1", "queue-lifetime": 3, "smarthost": None}}
}


def rendered(
    source: str,
    variables: Mapping[str, Any] = PMG,
    more: Mapping[str, bytes] | None = None,
    limits: Limits = Limits(),  # noqa: B008
) -> bytes:
    files = {"main.cf.in.j2": source.encode("latin-1"), **(more or {})}
    return render_jinja("main.cf.in.j2", variables, files.get, time.monotonic, limits)


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("relay = {{ pmg.mail.relay }}\n", b"relay = 192.0.2.1\n"),
        ("{{ pmg.mail['queue-lifetime'] * 2 }}d", b"6d"),
        ("[{{ pmg.mail.smarthost }}]", b"[]"),
        ("[{{ pmg.mail.nothing }}]", b"[]"),
        ("{% if pmg.mail.relay %}yes{% else %}no{% endif %}\n\n", b"yes\n\n"),
        (
            "{% for n in [1, 2, 3] %}{{ n }}{% if not loop.last %}, {% endif %}{% endfor %}",
            b"1, 2, 3",
        ),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(1) }}{{ m('a' ~ 2) }}", b"<1><a2>"),
        (
            "{{ 'a' + 'b' }}{{ 7 % 4 }}{{ 2 ** 10 }}{{ 'x,y'.split(',') | join(' ') }}",
            b"ab31024x y",
        ),
        (
            "{% for x in [1, [2]] recursive %}{{ loop(x) if x is iterable else x }}{% endfor %}",
            b"12",
        ),
        ("{{ '<&>' }}", b"<&>"),
        ("\xe9{{ 'a' | upper }}\xff", b"\xe9A\xff"),
    ],
)
def test_output(source: str, output: bytes) -> None:
    assert rendered(source) == output


def test_other_templates_are_found_by_the_lookup() -> None:
    more = {"part": b"<{{ pmg.mail.relay }}>\n", "macros": b"{% macro m() %}m{% endmacro %}"}
    assert rendered("{% include 'part' %}", more=more) == b"<192.0.2.1>\n"
    assert rendered("{% import 'macros' as x %}{{ x.m() }}", more=more) == b"m"


def test_a_name_that_the_lookup_refuses_is_an_error_there() -> None:
    def load(name: str) -> bytes | None:
        if name == "t.j2":
            return b"\n{% include '../x' %}"
        raise InvalidError("is no name of a template", where=name)

    with pytest.raises(TemplateError, match=r"^t\.j2 line 2: \.\./x: is no name of a template"):
        render_jinja("t.j2", {}, load, time.monotonic)


def test_bytes_of_values_come_out_as_they_were() -> None:
    assert rendered("{{ x }}", {"x": "\xc3\xa9"}) == b"\xc3\xa9"


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("a\n{% if %}", "main.cf.in.j2 line 2"),
        ("a\nb\n{{ pmg.nothing.at.all }}", "main.cf.in.j2 line 3"),
        ("\n{{ 1 / 0 }}", "main.cf.in.j2 line 2: division by zero"),
        ("\n{% include 'nowhere' %}", "main.cf.in.j2 line 2: nowhere: not found"),
        ("{{ pmg.mail.relay + 1 }}", "line 1"),
        ("{{ x | nonsense }}", "nonsense"),
        ("{{ x() }}", "line 1: 'x' is undefined"),
    ],
)
def test_an_error_has_the_name_and_the_line(source: str, said: str) -> None:
    with pytest.raises(TemplateError) as caught:
        rendered(source)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "{{ cycler() }}",
        "{% for a in [1] %}" * 22 + "x" + "{% endfor %}" * 22,
        "{% if 1 %}" * 110 + "x" + "{% endif %}" * 110,
    ],
)
def test_what_python_itself_refuses_is_an_error_of_the_template(source: str) -> None:
    with pytest.raises(TemplateError):
        rendered(source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ pmg._reads }}",
        "{{ x.__globals__ }}{{ cycler.__init__.__globals__ }}",
        "{{ pmg.mail.update({'relay': 1}) }}",
        "{{ pmg.mail.clear() }}",
        "{{ self.__init__ }}{{ self._TemplateReference__context }}",
        "{{ ''['format'](1) }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ lipsum() }}",
    ],
)
def test_no_way_out_of_the_sandbox(source: str) -> None:
    try:
        output = rendered(source)
    except TemplateError:
        return
    assert not output.strip()


def test_a_slow_template_is_ended_by_the_clock() -> None:
    ticks = iter(range(10_000))
    files = {"t.j2": b"{% for i in range(9999) %}{% endfor %}"}
    with pytest.raises(LimitError, match="longer than 5 seconds"):
        render_jinja("t.j2", {}, files.get, lambda: float(next(ticks)))


def test_what_it_reads_is_recorded() -> None:
    reads: Reads = {}
    rendered("{{ pmg.mail.relay }}{{ pmg.mail['queue-lifetime'] }}", recorded(PMG, reads))
    assert names(reads) == ("pmg.mail.queue-lifetime", "pmg.mail.relay")


# --- as a service file ---


def test_an_override_in_jinja_makes_the_file() -> None:
    node = Gateway({CONF: conf(mail={"relay": "192.0.2.9"})})
    node.override("clamd.conf.in.j2", "# {{ pmg.mail.relay }} {{ dns.fqdn }}\n")
    file = node.render()["etc/clamav/clamd.conf"]
    assert file.data == b"# 192.0.2.9 mail1.example.com\n"
    assert file.reads == ("dns.fqdn", "pmg.admin.demo", "pmg.mail.relay")
    node.synced[CONF] = conf(mail={"relay": "192.0.2.8"})
    assert node.data("etc/clamav/clamd.conf").startswith(b"# 192.0.2.8")


def test_an_error_in_it_is_named() -> None:
    node = Gateway()
    node.override("clamd.conf.in.j2", "fine\n{% if %}\n")
    with pytest.raises(TemplateError, match=r"clamd\.conf\.in\.j2 line 2"):
        node.render()
