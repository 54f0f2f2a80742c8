"""Differences as people may see them: right, bounded, and without secrets."""

import difflib
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.model.credentials import MASK, mask_credentials
from pmgsync.model.scope import SCOPE, rule_for
from pmgsync.model.textdiff import (
    MAX_COMPARED_LINES,
    MAX_LINE_CHARACTERS,
    MAX_SHOWN_LINES,
    text_diff,
)

PLAIN = rule_for("etc/pmg/domains")
CONF = "etc/pmg/pmg.conf"


def diff(old: bytes | None, new: bytes | None, path: str = "etc/pmg/domains") -> str | None:
    return text_diff(path, old, new, rule_for(path))


def test_equal_contents_have_no_difference() -> None:
    assert diff(b"a\n", b"a\n") is None
    assert diff(None, None) is None


def test_a_changed_line() -> None:
    assert diff(b"a\nb\nc\n", b"a\nx\nc\n") == (
        "--- a/etc/pmg/domains\n+++ b/etc/pmg/domains\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"
    )


def test_a_new_and_a_deleted_file() -> None:
    assert diff(None, b"a\n") == "--- /dev/null\n+++ b/etc/pmg/domains\n@@ -0,0 +1 @@\n+a\n"
    assert diff(b"a\n", None) == "--- a/etc/pmg/domains\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"
    assert diff(None, b"") == "--- /dev/null\n+++ b/etc/pmg/domains\n"


def test_a_missing_newline_at_the_end() -> None:
    shown = diff(b"a", b"a\n")
    assert shown is not None
    assert shown.endswith("-a\n\\ No newline at end of file\n+a\n")


def test_a_line_in_the_middle_of_a_large_file_has_its_number() -> None:
    lines = [b"%d\n" % n for n in range(1, 200_001)]
    changed = [*lines]
    changed[149_999] = b"x\n"
    shown = diff(b"".join(lines), b"".join(changed))
    assert shown is not None
    assert "@@ -149997,7 +149997,7 @@\n" in shown
    assert shown.count("\n") == 2 + 1 + 8


def test_what_is_too_large_is_counted() -> None:
    count = MAX_COMPARED_LINES + 1
    old = b"".join(b"a%d\n" % n for n in range(count))
    new = b"".join(b"b%d\n" % n for n in range(count))
    assert diff(old, new) == f"(large: {count:,} lines replaced by {count:,})"
    shown = diff(None, b"".join(b"a%d\n" % n for n in range(MAX_SHOWN_LINES + 100)))
    assert shown is not None
    assert shown.endswith("(101 more lines)\n")
    line = diff(None, b"x" * 5000 + b"\n")
    assert line is not None
    assert f"{'x' * MAX_LINE_CHARACTERS}… (5,000 characters)" in line


@pytest.mark.parametrize("data", [b"a\0b", b"\xff\xfe", "ä".encode("latin-1")])
def test_what_is_not_text_is_not_shown(data: bytes) -> None:
    assert diff(b"text\n", data) == (
        f"(not text: content not shown; 5 bytes before, {len(data)} now)"
    )


def test_control_characters_are_escaped() -> None:
    shown = text_diff("etc/pmg/x\x1b[2J", b"", b"\x1b]0;title\x07 a\rb\tc\xc2\x9b\n", PLAIN)
    assert shown is not None
    assert "+\\x1b]0;title\\x07 a\\rb\tc\\x9b\n" in shown
    assert "\x1b" not in shown


@pytest.mark.parametrize("rule", [rule for rule in SCOPE if rule.secret], ids=lambda r: r.pattern)
def test_secret_files_show_sizes_only(rule: object) -> None:
    path = rule.pattern.replace("**", "file")  # type: ignore[attr-defined]
    assert diff(b"hunter1\n", b"hunter22\n", path) == (
        "(secret: content not shown; 8 bytes before, 9 now)"
    )
    assert diff(None, b"hunter22\n", path) == "(secret: content not shown; 9 bytes)"
    assert diff(b"hunter22\n", None, path) == "(secret: content not shown; 9 bytes before)"


def test_a_file_without_a_rule_is_secret() -> None:
    assert diff(b"a", b"b", "etc/shadow") == "(secret: content not shown; 1 bytes before, 1 now)"


def test_a_private_key_is_secret_wherever_it_lies() -> None:
    key = b"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----\n"
    for old, new in ((None, key), (key, b"gone\n"), (b"was\n", b"x\n" + key)):
        shown = diff(old, new, "etc/pmg/templates/main.cf.in")
        assert shown is not None
        assert shown.startswith("(secret")


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\thttp_proxy http://joe:hunter2@192.0.2.1:3128", f"\thttp_proxy http://joe:{MASK}@192"),
        ("http_proxy http://:hunter2@192.0.2.1", f"http_proxy http://:{MASK}@192.0.2.1"),
        ("dbmirror https://hunter2@mirror.example.net", f"dbmirror https://{MASK}@mirror"),
        ("\tbindpw aHVudGVyMg== hunter2", f"\tbindpw {MASK}"),
        ("password = 'hunter2'", f"password = {MASK}"),
        ("PASSWORD: hunter2", f"PASSWORD: {MASK}"),
        ('  "client-key": "hunter2",', f'  "client-key": {MASK}'),
        ("smtp_sasl_password=hunter2", f"smtp_sasl_password={MASK}"),
        ("pass hunter2", f"pass {MASK}"),
        ("user x; pass=hunter2", f"user x; pass={MASK}"),
        ("dsn: mysql://u:hunter2@db.example.org/x", f"dsn: mysql://u:{MASK}@db.example.org/x"),
        ("Authorization: Bearer hunter2", f"Authorization: {MASK}"),
        ("x api_key hunter2", f"x api_key {MASK}"),
        ("root:$6$salt$hunter2:1", f"root:{MASK}:1"),
        ("auth_token\thunter2", f"auth_token\t{MASK}"),
        ("secret:hunter2", f"secret:{MASK}"),
    ],
)
def test_credentials_in_other_files_are_masked(line: str, shown: str) -> None:
    assert mask_credentials(line).startswith(shown)
    text = diff(b"", line.encode() + b"\n", CONF)
    assert text is not None
    assert "hunter2" not in text


@pytest.mark.parametrize(
    "line",
    [
        "example.com 1",
        "bypass 1",
        "score ALL_TRUSTED -1.000",
        "\trelay 192.0.2.25",
        "\thttp_proxy http://proxy.example.net:3128",
        "smtp_sasl_password_maps = hash:/etc/postfix/sasl",
        "header X Subject =~ /pass/i",
        "user@example.com smtp:[192.0.2.1]:25",
        "costs $5$",
    ],
)
def test_other_lines_stay_as_they_are(line: str) -> None:
    assert mask_credentials(line) == line


def test_a_changed_password_is_seen_to_have_changed() -> None:
    shown = diff(b"a\n\tbindpw one\n", b"a\n\tbindpw two\n", CONF)
    assert shown is not None
    assert f"-\tbindpw {MASK}\n+\tbindpw {MASK}\n" in shown


words = st.sampled_from(["a", "b", "c", ""])
texts = st.lists(words, max_size=12).map("\n".join)


@given(texts, texts)
def test_it_is_a_unified_diff_as_others_write_it(old: str, new: str) -> None:
    shown = text_diff("x", old.encode(), new.encode(), PLAIN)
    before, after = (part.splitlines(keepends=True) for part in (old, new))
    lines = list(difflib.unified_diff(before, after, "a/x", "b/x"))
    if old == new:
        assert shown is None
        return
    assert shown is not None
    removed, added = count_signs(shown)
    assert (removed - added) == sum(line[0] == "-" for line in lines[2:]) - sum(
        line[0] == "+" for line in lines[2:]
    )


def count_signs(shown: str) -> tuple[int, int]:
    body = shown.splitlines()[2:]
    return sum(line[:1] == "-" for line in body), sum(line[:1] == "+" for line in body)


@pytest.mark.skipif(not shutil.which("patch"), reason="patch is not installed")
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("a\nb\nc\n", "a\nc\n"),
        ("a\n" * 50, "a\n" * 20 + "b\n" + "a\n" * 30),
        ("1\n2\n3\n", "0\n1\n2\n3\n4\n"),
        ("a", "a\nb"),
        ("x\n" * 5 + "y\n" + "x\n" * 20 + "z\n", "x\n" * 25),
    ],
)
def test_patch_can_apply_it(tmp_path: Path, old: str, new: str) -> None:
    shown = diff(old.encode(), new.encode())
    assert shown is not None
    (tmp_path / "file").write_text(old)
    subprocess.run(
        ["patch", "-s", str(tmp_path / "file")], input=shown.encode(), check=True, timeout=10
    )
    assert (tmp_path / "file").read_text() == new


@given(st.none() | st.binary(max_size=60), st.none() | st.binary(max_size=60))
def test_any_contents_can_be_compared(old: bytes | None, new: bytes | None) -> None:
    shown = diff(old, new)
    assert (shown is None) == (old == new)
    assert all(c.isprintable() or c in "\n\t" for c in shown or "")


@given(
    st.sampled_from(["password=", "bindpw ", "secret: ", "http://u:", "pass "]),
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
)
def test_no_password_is_shown(key: str, password: str) -> None:
    marked = f"QQ{password.replace('@', '').replace('/', '')}QQ"
    end = "@host.example" if key.startswith("http") else ""
    shown = diff(b"", f"  {key}{marked}{end}\n".encode(), CONF)
    assert shown is not None
    assert marked not in shown


def test_long_lines_take_no_time() -> None:
    for line in (
        "a" * 100_000,
        "a.b-" * 25_000,
        "pass " * 20_000,
        "http://" * 15_000,
        "$1$" * 9999,
    ):
        assert mask_credentials(line[:4000]) is not None
        shown = diff(b"", (line + "\n").encode() * 20, CONF)
        assert shown is not None


def test_many_equal_lines_are_counted_not_compared() -> None:
    old = b"same\n" * 1000 + b"a\n"
    new = b"x\n" + b"same\n" * 1001 + b"b\n"
    assert diff(old, new) == "(large: 1,001 lines replaced by 1,003)"
