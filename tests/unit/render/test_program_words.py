"""Words of a service's program, made fit for an admin."""

import pytest

from pmgsync.render.lookup import Origin, Template
from pmgsync.render.plan import Rendered
from pmgsync.render.program_words import new_complaints, origin, said, warnings
from pmgsync.render.targets import TARGETS

SOURCE = (
    b"first\n[% IF tls %]\nsmtp_x = 1\n[% END %]\n  twice = 1\n  twice = 1\n"
    b"password = hunter2\n  hunter3\n"
)
MADE = b"first\nsmtp_x = 1\ntwice = 1\nmade = 3\npassword = hunter2\n  hunter3\n\n"


def a_file(name: str) -> Rendered:
    template = Template(f"{name}.in", Origin.OVERRIDE, SOURCE)
    return Rendered(TARGETS[0], f"etc/postfix/{name}", MADE, template)


def test_stamps_folder_and_credentials_go() -> None:
    output = (
        "Nov  6 12:31:27.686 [21987] warn: config: bad /tmp/x/local.cf\n\n"
        "2026-11-26 12:31:29.400 GMT [21992] LOG:  unrecognized  in /tmp/x/a.conf\n"
        "postconf: warning: relayhost=https://user:hunter2@example.com\n"
    )
    assert said(output, "/tmp/x", "etc/mail") == (
        "warn: config: bad /etc/mail/local.cf",
        "LOG: unrecognized in /etc/mail/a.conf",
        "postconf: warning: relayhost=https://user:********@example.com",
    )


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (
            "config: failed to parse line in /x/local.cf (line 3): bayes_sql_pw hunter2",
            "config: failed to parse line in /x/local.cf (line 3): bayes_sql_pw ********",
        ),
        (
            'config: failed to parse line, skipping, in "/x/a.cf": key hunter2 hunter2',
            'config: failed to parse line, skipping, in "/x/a.cf": key ********',
        ),
        ("postconf: warning: x: unused parameter: a=hunter2 b", "unused parameter: a=********"),
        (
            "main.cf, line 1: missing '=' after attribute name: \"a_key hunter2\"",
            "missing '=' after attribute name: \"a_key ********\"",
        ),
        ('logical line must not start with whitespace: " = hunter2"', 'whitespace: "********"'),
        ("main.cf: missing '}' in \"{u:hunter2\"", "missing '}' in \"********\""),
        ('truncated macro reference: "u:${hunter2"', 'truncated macro reference: "********"'),
        (
            'syntax error in file "/x/postgresql.conf" line 3, near token "hunter2"',
            'syntax error in file "/x/postgresql.conf" line 3, near token ********',
        ),
        ("invalid 'x' value in a (line 1): smtp_pasword hunter2", "smtp_pasword ********"),
        ("parameter: smtp_passwort = hunter2", "smtp_passwort = ********"),
    ],
)
def test_of_a_line_that_is_not_understood_only_the_name_is_said(words: str, shown: str) -> None:
    (line,) = said(words, "/waited", "etc")
    assert line.endswith(shown)
    assert "hunter" not in line


@pytest.mark.parametrize(
    "words",
    [
        "config: failed to parse line in /x/local.cf (line 3): lonely",
        "config: invalid 'required_score' value in /x/local.cf (line 2): required_score five",
        "fatal: bad numerical configuration: default_process_limit = abc",
        'invalid value for parameter "port": "abc"',
        "Parse error at /x/clamd.conf:1: Unknown option Checks",
    ],
)
def test_what_an_admin_needs_to_see_is_said(words: str) -> None:
    assert said(words, "/waited", "etc") == (words,)


def test_a_line_without_end_is_cut() -> None:
    (line,) = said("password=" + "x" * 9_000 + " y" * 9_000, "/waited", "etc")
    assert line == "password=********"
    assert len(said("y" * 90_000, "/waited", "etc")[0]) == 1000


def test_only_warnings_are_warnings_and_each_is_said_once() -> None:
    lines = (
        "postconf: warning: a",
        "x = warning: b",
        "warn: c",
        "WARNING: d",
        "postmap: warning: a",
    )
    assert warnings(lines) == ("a", "c", "d")


def test_a_complaint_that_only_moved_is_not_new() -> None:
    known = ("warn: custom.cf (line 3): foo", "warn: lint: 1 issues")
    lines = ("warn: custom.cf (line 9): foo", "warn: bar", "warn: lint: 2 issues")
    assert new_complaints(lines, known) == ("warn: bar",)


@pytest.mark.parametrize(
    ("words", "by"),
    [
        ("fatal: /etc/postfix/main.cf, line 2: no", "main.cf.in line 3: smtp_x"),
        ("main.cf, line 3: stands there twice", "main.cf.in: twice"),
        ("main.cf, line 4: in no template", "main.cf.in: made"),
        ("main.cf, line 5: secret", "main.cf.in line 7: password"),
        ("main.cf, line 6: goes on with a value", "main.cf.in line 8"),
        ("main.cf, line 7: an empty one", ""),
        ("main.cf, line 99: there is no such", ""),
        ("line 2: of one of two files", ""),
        ("no line", ""),
    ],
)
def test_the_line_of_the_template_is_said_where_it_can_be_told(words: str, by: str) -> None:
    assert origin(words, [a_file("main.cf"), a_file("master.cf")]) == by


def test_a_program_of_one_file_need_not_name_it() -> None:
    assert origin("Parse error at line 1", [a_file("clamd.conf")]) == "clamd.conf.in line 1: first"
