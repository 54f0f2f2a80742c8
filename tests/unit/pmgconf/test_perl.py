"""Perl itself decides what Perl's readers do: its expressions beside our functions, on many lines.

The expressions are those of PMG's line syntax (a header, an option, a comment) and of its schema.
Perl is part of every Debian.
"""

import itertools
import subprocess

import pytest

from pmgsync.pmgconf.formats import is_config_id, split_list
from pmgsync.pmgconf.schema import SECTIONS
from pmgsync.pmgconf.section import headed_by, is_comment, split_option, typed_header
from pmgsync.pmgconf.values import perl_number, perl_number_text
from tests.unit.pmgconf.test_schema import rows

LINES = [
    "".join(letters) for size in range(7) for letters in itertools.product(":a# \t0", repeat=size)
]
ODD = [
    " \v\fk\v\fv\v\f\r",
    " k\x1cv",
    " k\x85v",
    " k\xa0v",
    "a:\v1",
    "\xa0#",
    "\v#",
    " k \0",
    "a:b: c",
    "a:b:c",
]
WORDS = [
    f"{a}{b}{c}"
    for a in ("section", "section:", "Section:")
    for b in ("", " ", "\t:")
    for c in ("m", "m:", "m m", "")
]
SAMPLES = [*LINES, *ODD, *WORDS]


def perl(code: str, inputs: list[str]) -> list[str]:
    """Run `code` on each input in `$_` (bytes, as PMG reads them); what it prints for each."""
    program = f"binmode STDIN; binmode STDOUT; $/ = qq(\\n); while (<STDIN>) {{ chomp; {code} }}"
    raw = b"".join(line.encode("utf-8") + b"\n" for line in inputs)
    done = subprocess.run(["perl", "-e", program], input=raw, capture_output=True, check=True)
    answers = done.stdout.decode("utf-8").split("\x1e")[:-1]
    assert (len(answers), done.stderr) == (len(inputs), b"")
    return answers


def joined(parts: tuple[str | None, ...] | None) -> str:
    return (
        "no" if parts is None else "\x1f".join("undef" if part is None else part for part in parts)
    )


def test_options_are_split_as_perl_splits_them() -> None:
    found = r"/^\s+(\S+)(\s+(.*\S))?\s*$/"
    code = rf'print {found} ? $1 . "\x1f" . ($3 // "undef") : "no", "\x1e"'
    assert [joined(split_option(line)) for line in SAMPLES] == perl(code, SAMPLES)


def test_headers_of_any_type_are_split_as_perl_splits_them() -> None:
    code = r'if (/^(\S+):\s*(\S+)\s*$/) { print "$1\x1f$2" } else { print "no" } print "\x1e"'
    assert [joined(typed_header(line)) for line in SAMPLES] == perl(code, SAMPLES)


def test_headers_of_one_word_are_split_as_perl_splits_them() -> None:
    code = r'if (/^(section|a):\s*(\S+)\s*$/) { print "$1\x1f$2" } else { print "no" } print "\x1e"'
    header = headed_by("section", "a")
    assert [joined(header(line)) for line in SAMPLES] == perl(code, SAMPLES)


def test_comments_are_what_perl_takes_for_them() -> None:
    code = r'print /^\s*#/ ? "yes" : "no", "\x1e"'
    assert ["yes" if is_comment(line) else "no" for line in SAMPLES] == perl(code, SAMPLES)


def test_configuration_ids_are_what_perl_takes_for_them() -> None:
    names = [
        "".join(letters)
        for size in range(4)
        for letters in itertools.product("aZ0_-.é", repeat=size)
    ]
    code = r'print /^[a-z][a-z0-9_-]+$/i ? "yes" : "no", "\x1e"'
    assert ["yes" if is_config_id(name) else "no" for name in names] == perl(code, names)


def test_lists_are_split_as_perl_splits_them() -> None:
    texts = [
        "".join(letters)
        for size in range(1, 7)
        for letters in itertools.product("a, ;", repeat=size)
    ]
    code = r's/[,;]/ /g; s/^\s+//; print join("\x1f", split /\s+/), "\x1e"'
    assert ["\x1f".join(split_list(text)) for text in texts] == perl(code, texts)


def test_numbers_print_as_perl_prints_them() -> None:
    around = [2**53, 2**63, 2**64, 10**15, 10**19, 10**20, 10**40, 123456789 * 10**12]
    numbers = [n + d for n in around for d in (-2, -1, 0, 1, 2)]
    texts = [
        f"{sign}{zeros}{n}" for n in numbers for sign in ("", "+", "-") for zeros in ("", "00")
    ]
    texts += ["0", "-0", "+00", "9" * 308, "9" * 309, "9" * 400, "-" + "9" * 400]
    assert [perl_number_text(perl_number(text)) for text in texts] == perl(
        r'print $_ + 0, "\x1e"', texts
    )


PATTERNS = [
    (section, name, limits.removeprefix("pattern "))
    for section, name, _, _, limits in rows()
    if limits.startswith("pattern ")
]
VALUES = [
    *("all", "en", "en de", "en  de", "ende fr", "e", "enx", "all en", "En", "en ", "allen"),
    *("/a/b", "/a", "a/b", "/a//b", "//a/b", "/a/b/", "/a b/c", "/a/b\0", "/é/ü", "/", ""),
    *("http://", "http://x", "https://x", "HTTP://x", " http://x", "http:/x", "http://é x"),
    *("x", "x" * 998, "x" * 999, "é", "a\tb", "~", "\x7f", "\x1f", " x ", "Jo <a@b>"),
]


@pytest.mark.parametrize(("section", "name", "pattern"), PATTERNS)
def test_a_pattern_of_ours_accepts_what_pmgs_pattern_accepts(
    section: str, name: str, pattern: str
) -> None:
    rule = SECTIONS[section][name].rule
    code = f"my $p = q({pattern}); " + r'print /^$p$/ ? "yes" : "no", "\x1e"'
    answers = perl(code, VALUES)
    assert ["no" if rule.fault(value) else "yes" for value in VALUES] == answers
    assert {"yes", "no"} == set(answers)
