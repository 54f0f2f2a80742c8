"""`pmgsync config` as a process, on files in a root."""

import json
from pathlib import Path

import pytest

from pmgsync.pmgconf.schema import keys
from tests.control.fake_node import outcome, pmgsync
from tests.unit.cli.test_editing import make_member

FILE = "etc/pmg/pmg.conf"
TEXT = """\
# ours
section: mail
\trelay mx1.example
  int_port 0026

section: admin
 http_proxy http://me:hunter2@proxy:3128/
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/pmg").mkdir(parents=True)
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:        1048576 kB\n")
    (tmp_path / FILE).write_text(TEXT)
    return tmp_path


def config(root: Path, *words: str) -> tuple[int, str, str]:
    return outcome("config", *words, "--root", root)


def test_the_list_shows_value_default_and_what_is_set(root: Path) -> None:
    code, out, err = config(root, "list")
    lines = out.splitlines()
    assert (code, err, len(lines)) == (0, "", 88)
    rows = {line.split()[0]: line.split()[1:] for line in lines}
    assert rows["KEY"] == ["VALUE", "DEFAULT"]
    assert rows["mail.relay"] == ["mx1.example", "set", "-"]
    assert rows["mail.int_port"] == ["26", "set", "26"]
    assert rows["mail.smarthost"] == ["-", "-"]
    assert rows["mail.max_filters"] == ["5", "5"]
    assert "hunter2" not in out
    assert max(map(len, lines)) <= 120


def test_the_list_may_be_of_one_section_or_of_what_is_set(root: Path) -> None:
    assert len(config(root, "list", "virusquar")[1].splitlines()) == 4
    set_only = config(root, "list", "--set")[1].splitlines()
    assert [line.split()[0] for line in set_only[1:]] == [
        "admin.http_proxy",
        "mail.int_port",
        "mail.relay",
    ]


def test_the_list_for_scripts_is_complete(root: Path) -> None:
    options = json.loads(config(root, "list", "--json")[1])["options"]
    assert [row["key"] for row in options] == list(keys())
    by_key = {row["key"]: row for row in options}
    assert by_key["mail.int_port"] == {
        "key": "mail.int_port",
        "section": "mail",
        "value": 26,
        "default": 26,
        "set": True,
    }
    assert by_key["mail.smarthost"]["value"] is None
    assert by_key["admin.http_proxy"]["value"].startswith("http://me:hunter2@")


def test_what_pmg_ignores_is_named_beside_the_values(root: Path) -> None:
    (root / FILE).write_text("section: mail\n tls yes\n\nsection: bogus\n")
    code, out, err = config(root, "get", "mail.tls")
    assert (code, out) == (0, "0\n")
    assert err.splitlines() == [
        "pmgsync: etc/pmg/pmg.conf:2: PMG ignores this: unable to parse value of 'tls': "
        "type check ('boolean') failed - got 'yes'",
        "pmgsync: etc/pmg/pmg.conf:4: PMG ignores this: the section 'bogus' is skipped: "
        "unsupported type 'bogus'",
    ]


def test_get_prints_the_value_and_nothing_else(root: Path) -> None:
    assert config(root, "get", "mail.relay") == (0, "mx1.example\n", "")
    assert config(root, "get", "mail.int_port") == (0, "26\n", "")
    assert config(root, "get", "mail.smarthost") == (0, "\n", "")
    assert config(root, "get", "admin.http_proxy")[1] == "http://me:hunter2@proxy:3128/\n"
    row = json.loads(config(root, "get", "mail.relay", "--json")[1])
    assert (row["value"], row["default"], row["set"]) == ("mx1.example", None, True)


def test_bytes_that_are_not_utf_8_come_out_as_they_are(root: Path) -> None:
    (root / FILE).write_bytes(b"section: mail\n\tbanner \xff\xe4\n")
    row = json.loads(config(root, "get", "mail.banner", "--json")[1])
    assert row["value"] == "\udcff\udce4"
    assert "\\udcff" in config(root, "list", "--set")[1]


def test_without_a_file_there_are_defaults(root: Path) -> None:
    (root / FILE).unlink()
    assert config(root, "get", "mail.int_port") == (0, "26\n", "")
    code, out, _ = config(root, "set", "mail.tls", "1")
    assert (code, out) == (0, "mail.tls is 1 now (was not set)\n")
    assert (root / FILE).read_text() == "section: mail\n\ttls 1\n\n"


def test_set_and_unset_change_one_option_and_keep_the_rest(root: Path) -> None:
    code, out, err = config(root, "set", "mail.relay", "mx2.example")
    assert (code, out, err) == (0, "mail.relay is mx2.example now (was mx1.example)\n", "")
    assert (root / FILE).read_text() == (
        "# ours\nsection: mail\n\tint_port 26\n\trelay mx2.example\n\n"
        "section: admin\n\thttp_proxy http://me:hunter2@proxy:3128/\n\n"
    )
    assert config(root, "unset", "mail.relay")[1] == (
        "mail.relay is not set any more (was mx2.example); default: -\n"
    )
    assert "relay" not in (root / FILE).read_text()
    assert config(root, "unset", "mail.relay")[1] == "mail.relay is not set already\n"


def test_a_value_with_a_password_need_not_stand_on_the_command_line(root: Path) -> None:
    words = ("config", "set", "admin.http_proxy", "-", "--root", root)
    done = pmgsync(*words, stdin="http://me:other@proxy/\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "other" not in done.stdout
    assert "hunter2" not in done.stdout
    assert "\thttp_proxy http://me:other@proxy/\n" in (root / FILE).read_text()
    for bad, why in (
        ("a\nb\n", "has a line break"),
        ("x" * 2_000_000, "longer than"),
        ("", "empty"),
    ):
        done = pmgsync(*words, stdin=bad)
        assert (done.returncode, done.stderr.count("\n")) == (3, 1)
        assert why in done.stderr


def test_what_is_so_already_is_not_written(root: Path) -> None:
    before = (root / FILE).stat()
    assert config(root, "set", "mail.relay", "mx1.example")[1] == (
        "mail.relay is mx1.example already\n"
    )
    after = (root / FILE).stat()
    assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)
    done = json.loads(config(root, "set", "mail.relay", "mx1.example", "--json")[1])
    assert done == {
        "key": "mail.relay",
        "before": "mx1.example",
        "after": "mx1.example",
        "changed": False,
    }


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("mail.ext_port", "0", "'0' is not a valid value; allowed is a whole number from 1 to"),
        ("mail.ext_port", "65536", "allowed is a whole number from 1 to 65535"),
        ("mail.ext_port", "1e3", "allowed is a whole number from 1 to 65535"),
        ("mail.maxsize", "1" + "0" * 20, "is too large: PMG keeps no number above 18446744"),
        ("mail.tls", "on", "'on' is not a valid value; allowed is 0 or 1"),
        ("mail.relayprotocol", "SMTP", "allowed is one of smtp, lmtp"),
        ("admin.http_proxy", "https://u:hunter2@h", "'https://u:********@h' is not a valid value"),
        ("mail.relay", "a_b", "allowed is an IP address or a DNS name"),
        ("mail.relay", "", "'' is empty, and PMG keeps no empty value (see `pmgsync config unset"),
        ("mail.banner", "a\nb", r"'a\nb' has a line break, and a value is one line"),
        ("mail.banner", "a\r", "has a line break"),
        ("mail.banner", " a", "begins or ends with a blank, which PMG would cut"),
        ("mail.banner", "x" * 1025, "allowed is any text, at most 1024 bytes"),
        ("mail.banner", "ä" * 513, "allowed is any text, at most 1024 bytes"),
        ("admin.email", "root", "allowed is an email address"),
        ("admin.admin-mail-from", "ä", "allowed is 1 to 998 printable ASCII characters"),
        ("spam.languages", "english", "allowed is `all`, or language codes of two letters"),
    ],
)
def test_a_bad_value_gets_one_line_that_says_what_is_allowed(
    root: Path, key: str, value: str, line: str
) -> None:
    code, out, err = config(root, "set", key, value)
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert err.startswith(f"pmgsync: {key}: ")
    assert line in err
    assert len(err) < 300
    assert (root / FILE).read_text() == TEXT


def test_a_file_that_would_lose_a_line_is_left_alone(root: Path) -> None:
    (root / FILE).write_text(f"{TEXT} smtp_port 25\n")
    code, _, err = config(root, "set", "mail.tls", "1")
    assert (code, err.count("\n")) == (3, 1)
    assert err.startswith("pmgsync: etc/pmg/pmg.conf:8: PMG ignores this line (unable to parse")
    assert (root / FILE).read_text() == f"{TEXT} smtp_port 25\n"


def test_a_node_that_is_not_the_master_reads_but_does_not_write(root: Path) -> None:
    make_member(root, 2)
    assert config(root, "get", "mail.relay")[0] == 0
    code, _, err = config(root, "set", "mail.tls", "1")
    assert (code, err.count("\n")) == (6, 1)
    assert "is edited on the master, mx1(1) at 127.0.0.1" in err
    assert (root / FILE).read_text() == TEXT


def test_describe_says_type_limits_default_and_meaning(root: Path) -> None:
    code, out, _ = config(root, "describe", "mail.max_filters", "mail.relay")
    assert code == 0
    first, second = out.split("\n\n")
    assert first.splitlines()[0] == "mail.max_filters"
    assert "  type     integer\n  allowed  a whole number from 3 to 40\n" in first
    assert first.endswith("  default  5 (by memory; this machine has 1024 MiB)")
    assert "  default  none" in second


def test_describe_without_a_key_describes_all(root: Path) -> None:
    out = config(root, "describe")[1]
    assert [block.splitlines()[0] for block in out.split("\n\n")] == list(keys())
    options = json.loads(config(root, "describe", "--json")[1])["options"]
    assert [row["key"] for row in options] == list(keys())
    assert all(row["meaning"] and row["allowed"] for row in options)
    limits = {row["key"]: (row["least"], row["most"], row["format"]) for row in options}
    assert limits["mail.ext_port"] == (1, 65535, None)
    assert limits["admin.email"] == (None, None, "email")


def test_where_nothing_may_be_written_nothing_is_lost(tmp_path: Path) -> None:
    code, _, err = config(tmp_path, "set", "mail.tls", "1")
    assert (code, err.count("\n")) == (1, 1)
    assert "there is no such folder" in err
    assert list(tmp_path.iterdir()) == []
