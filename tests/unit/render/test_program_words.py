"""Words of a service's program, made fit for an admin."""

import pytest

from pmgsync.render.lookup import Origin, Template
from pmgsync.render.plan import Rendered
from pmgsync.render.program_words import new_complaints, origin, said, warnings
from pmgsync.render.targets import TARGETS

SOURCE = (
    b"first\n[% IF tls %]\nsmtp_x = 1\n[% END %]\n  twice = 1\n  twice = 1\npassword = hunter2\n"
)
MADE = b"first\nsmtp_x = 1\ntwice = 1\nmade = 3\npassword = hunter2\n\n"


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
        ("fatal: /etc/postfix/main.cf, line 2: no", "main.cf.in line 3: smtp_x = 1"),
        ("main.cf, line 3: stands there twice", "main.cf.in: twice = 1"),
        ("main.cf, line 4: in no template", "main.cf.in: made = 3"),
        ("main.cf, line 5: secret", "main.cf.in line 7: password = ********"),
        ("main.cf, line 6: an empty one", ""),
        ("main.cf, line 99: there is no such", ""),
        ("line 2: of one of two files", ""),
        ("no line", ""),
    ],
)
def test_the_line_of_the_template_is_said_where_it_can_be_told(words: str, by: str) -> None:
    assert origin(words, [a_file("main.cf"), a_file("master.cf")]) == by


def test_a_program_of_one_file_need_not_name_it() -> None:
    assert origin("Parse error at line 1", [a_file("clamd.conf")]) == "clamd.conf.in line 1: first"
