r"""`fetchmailrc`, cell by cell as PMG was seen to behave."""

from dataclasses import replace

import pytest

from pmgsync.pmgconf.fetchmailrc import MARKER, Account, Fetchmailrc, completed, dump, parse

HEAD = "set daemon 300\ndefaults:\n  antispam -1\n\n# proxmox settings (keep!)\n"


def read(text: str) -> Fetchmailrc:
    return parse((HEAD + text).encode("utf-8", "surrogateescape"))


def one(text: str) -> Account:
    file = read(text)
    assert file.findings == ()
    (account,) = file.entries.values()
    return account


@pytest.mark.parametrize(
    "marker",
    [
        "# proxmox settings",
        "#  proxmox \t settings, more",
        "# proxmox settings\r",
        "# proxmox settingsX",
    ],
)
def test_only_what_follows_the_marker_is_read(marker: str) -> None:
    file = parse(f"poll no via x\n{marker}\npoll yes via y\n".encode())
    assert list(file.entries) == ["yes"]
    assert file.head == f"poll no via x\n{marker}\n".encode()


@pytest.mark.parametrize(
    "marker",
    [
        *("#proxmox settings", " # proxmox settings", "# Proxmox settings"),
        *("#\nproxmox settings", "# proxmox\nsettings"),
    ],
)
def test_without_the_marker_nothing_is_read_and_that_is_said(marker: str) -> None:
    file = parse(f"{marker}\npoll no via x\n".encode())
    assert (dict(file.entries), file.unread) == ({}, ())
    assert [(f.severity.value, f.line, f.what) for f in file.findings] == [
        ("warning", 0, "has no line `# proxmox settings`, so PMG reads no account from it")
    ]


def test_an_empty_file_has_no_marker_to_miss() -> None:
    assert parse(b"") == Fetchmailrc({})


def test_all_words_are_read() -> None:
    account = one(
        'poll a1 via "mx.example" protocol imap port 993 interval 2\n user "ann" pass "s\\x20e"\n'
        ' to "ann@a.example" ssl keep dropdelivered sslproto TLS1.2\n'
    )
    assert account == Account(
        *("a1", True, "mx.example", "imap", "993", "2", "ann", "s e", "ann@a.example"),
        *(True, True, True, "TLS1.2", 6),
    )


def test_skip_is_an_account_that_is_off() -> None:
    assert one("skip a1").enable is False


def test_what_is_not_given_is_empty() -> None:
    assert one("poll a1") == Account("a1", line=6)


def test_words_may_stand_on_any_line() -> None:
    assert one("poll\n\n a1\nvia\n mx.example").server == "mx.example"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ('"a b"', "a b"),
        ('""', ""),
        (r'"a\x22b\x5Cc"', 'a"b\\c'),
        (r'"\xc3\xa4\xff"', "\u00e4\udcff"),
        (r'"\\x41"', "\\A"),
        (r'"\n\x4"', r"\n\x4"),
        (r"a\x41", r"a\x41"),
        ('"ab"cd', '"ab"cd'),
        ('"ab', '"ab'),
        ("\u00e4", "\u00e4"),
    ],
)
def test_quotes_and_hex_bytes(written: str, value: str) -> None:
    assert one(f"poll a1 user {written}").user == value


def test_a_quoted_string_ends_with_its_line() -> None:
    assert read('poll a1 user "x\ny" keep').unread == (7,)


def test_a_hash_is_nothing_special_after_the_marker() -> None:
    assert one("poll a1 user # to x").user == "#"
    assert read("poll a1\n# a comment\n").unread == (7,)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("poll a1\n usr ann", 7, "a word that PMG does not know"),
        ('poll a1 "keep"', 6, "a word that PMG does not know"),
        ("poll a1 POLL a2", 6, "a word that PMG does not know"),
        ("via mx.example", 6, "an account starts with poll or skip"),
        ("poll a1\n user\n", 7, "user has no value"),
        ("poll", 6, "poll has no value"),
        ("poll a1 port\n\n0", 8, "port has no value"),
    ],
)
def test_at_an_unknown_word_or_a_missing_value_pmg_dies(text: str, line: int, what: str) -> None:
    file = read(f"poll good via x\n{text}")
    if what.startswith("an account"):
        file = read(f"\n{text}")
    assert (dict(file.entries), file.unread) == ({}, (line + 1,))
    assert [(f.severity.value, f.line, f.what) for f in file.findings] == [
        ("error", line + 1, f"{what}, so PMG reads nothing of this file")
    ]


def test_a_word_that_may_be_half_a_password_is_not_shown() -> None:
    file = read("poll a1 pass my secret")
    assert "secret" not in repr(file.findings)
    assert file.findings[0].mend.startswith("it knows poll, skip, via, protocol")


def test_of_duplicates_the_last_wins() -> None:
    file = read("poll a1 via one\nskip a1\n")
    assert file.entries == {"a1": Account("a1", False, line=7)}
    assert [(f.severity.value, f.line, f.what) for f in file.findings] == [
        ("warning", 7, "a1 already stands in line 6; this one counts")
    ]


@pytest.mark.parametrize("empty", ['""', "''"])
def test_an_empty_sslproto_is_not_the_same_as_none(empty: str) -> None:
    assert one(f"poll a1 sslproto {empty}").sslproto == ""
    assert one("poll a1").sslproto is None


@pytest.mark.parametrize(
    ("protocol", "ssl", "port"),
    [
        *(("pop3", False, "110"), ("pop3", True, "995"), ("imap", False, "143")),
        *(("imap", True, "993"), ("", False, "110"), ("", True, "995"), ("etrn", False, "")),
    ],
)
def test_the_port_follows_from_protocol_and_ssl(protocol: str, ssl: bool, port: str) -> None:
    assert completed(Account("a1", protocol=protocol, ssl=ssl)).port == port


def test_defaults_are_pop3_and_every_round_and_dropdelivered() -> None:
    account = completed(Account("a1"))
    assert (account.protocol, account.interval, account.dropdelivered) == ("pop3", "1", True)


def test_what_is_written() -> None:
    file = read(
        'skip b via x\npoll a via "mx.example" user "a b" pass \'"\' to ann@a.example ssl keep'
    )
    assert dump(file.entries.values(), file.head).decode() == (
        HEAD + '\npoll a via "mx.example"\n protocol pop3 port 995\n interval 1\n'
        ' user "a\\x20b" pass "\\x27\\x22\\x27"\n to "ann@a.example"\n dropdelivered ssl keep\n\n'
        '\nskip b via "x"\n protocol pop3 port 110\n interval 1\n user "" pass ""\n to ""\n'
        " dropdelivered\n\n"
    )


@pytest.mark.parametrize(
    "account",
    [
        Account("a b", user='x"\\\n', password="\u00e4\udcff ", target="0", sslproto=""),
        Account("0", protocol="etrn", port="0", interval="0", server="0"),
        Account("poll", user="poll", sslproto="TLS 1"),
    ],
)
def test_what_is_written_is_read_back(account: Account) -> None:
    file = parse(dump([account]))
    assert file.findings == ()
    (got,) = file.entries.values()
    assert completed(got) == completed(replace(account, line=got.line))
    assert dump(file.entries.values(), file.head) == dump([account])


@pytest.mark.parametrize("head", [b"", b"set daemon 60", b"set daemon 60\n", b"# proxmox settings"])
def test_a_head_without_marker_or_line_end_gets_them(head: bytes) -> None:
    written = dump([Account("a1")], head)
    assert written.startswith(head)
    assert list(parse(written).entries) == ["a1"]
    assert parse(dump([], MARKER)).head == MARKER


def test_the_password_stays_out_of_the_repr() -> None:
    assert "secret" not in repr(Account("a1", password="secret"))
