"""The settings of a node: defaults, complaints with file and line, and what the manual says."""

import re
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.cli.settings import (
    FILE,
    MAX_BYTES,
    TABLE,
    NetworkSettings,
    Settings,
    WatchSettings,
    load_settings,
    parse_settings,
)
from pmgsync.errors import InvalidError

MANUAL = Path(__file__).parents[3] / "docs/settings.md"

EVERYTHING = b"""\
[node]
name = "mail1"
address = "192.0.2.1"

[network]
member_port = 17643
join_port = 17644
heartbeat_ms = 500

[watch]
quiet_ms = 0
settle_max_ms = 200
rescan_s = 5

[history]
versions = 50

[log]
level = "debug"

[render]
mode = "off"

[services]
postfix_reload = ["postfix", "reload"]
clamd_restart = ["service", "clamav-daemon", "restart"]
freshclam_restart = ["true"]
filter_restart = ["true"]
filter_reload = ["true"]
"""


def test_without_a_file_all_is_as_it_comes(tmp_path: Path) -> None:
    assert load_settings(tmp_path) == Settings()
    assert Settings().network.member_port == 7643


def test_the_defaults_are_those_of_the_table() -> None:
    for setting in TABLE:
        assert getattr(getattr(Settings(), setting.section), setting.key) == setting.default
    keys = {
        (part.name, key.name)
        for part in fields(Settings)
        for key in fields(getattr(Settings(), part.name))
    }
    assert keys == {(setting.section, setting.key) for setting in TABLE}


def test_every_key_can_be_set(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.parent.mkdir(parents=True)
    path.write_bytes(EVERYTHING)
    settings = load_settings(tmp_path)
    assert settings.node.name == "mail1"
    assert settings.network == NetworkSettings(17643, 17644, 500)
    assert settings.watch == WatchSettings(0, 200, 5)
    assert (settings.history.versions, settings.log.level) == (50, "debug")


def test_some_keys_of_a_section_can_be_set() -> None:
    settings = parse_settings(b"network.join_port = 9\n[watch]\nrescan_s = 7\n", "f")
    assert settings.network == NetworkSettings(join_port=9)
    assert settings.watch == WatchSettings(rescan_s=7)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[nod]", "f:1: unknown section or key 'nod'; known: [node], [network], [watch], "),
        ("name = 1", "f:1: unknown section or key 'name'"),
        ("\n\nnode = 3", "f:3: unknown section or key 'node'"),
        ("[node]\n\nnam = 'x'", "f:3: unknown key 'nam' in [node]; known: name, address"),
        ("[node]\nname = 'a b'", "f:2: [node] name 'a b' is not a node name"),
        ("[node]\nname = ''", "f:2: [node] name '' is not a node name"),
        ("[node]\nname = 3", 'f:2: [node] name is not text; write it in quotes: name = "..."'),
        ("[node]\naddress = 'mail1'", "'mail1' is not an IP address; names are not looked up"),
        ("[node]\naddress = '0.0.0.0'", "0.0.0.0 is nobody's address"),
        ("[node]\naddress = '::'", ":: is nobody's address"),
        ("[node]\naddress = '224.0.0.1'", "224.0.0.1 is nobody's address"),
        ("[network]\nmember_port = 0", "f:2: [network] member_port is 0; from 1 to 65535"),
        ("[network]\nmember_port = 65536", "member_port is 65536; from 1 to 65535"),
        ("[network]\njoin_port = true", "is not a whole number; for example join_port = 7644"),
        ("[network]\njoin_port = 1.5", "is not a whole number"),
        ("[network]\njoin_port = '7644'", "is not a whole number"),
        ("[network]\njoin_port = [1]", "is not a whole number"),
        ("[network]\n\njoin_port = 7643", "f:3: [network] member_port and join_port are both"),
        ("[network]\nmember_port = 7644", "f:2: [network] member_port and join_port are both"),
        ("[watch]\nquiet_ms = -1", "f:2: [watch] quiet_ms is -1; from 0 to 10000"),
        ("[log]\nlevel = 'loud'", "[log] level is 'loud'; one of debug, info, warning, error"),
        ("[log]\nlevel = 'info'\nlevel = 'info'", "f:3: not TOML: cannot overwrite a value"),
        ("[node", "f:1: not TOML: "),
        ("[node]\nname = \n", "f:2: not TOML: invalid value; see toml.io for its form"),
        ("[node.more]\nx = 1", "f:1: unknown key 'more' in [node]"),
        ("[[node]]", "f:1: unknown section or key 'node'"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text: str, message: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse_settings(text.encode(), "f")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="f:2: is not UTF-8"):
        parse_settings(b"[node]\nname = '\xff'", "f")
    with pytest.raises(InvalidError, match="larger than"):
        parse_settings(b"#" * (MAX_BYTES + 1), "f")
    (tmp_path / FILE).mkdir(parents=True)
    with pytest.raises(InvalidError, match="cannot be read: Is a directory"):
        load_settings(tmp_path)


@given(
    st.text(max_size=80)
    | st.sampled_from(["[node]\n", "[log]\n"]).flatmap(
        lambda head: st.text(max_size=30).map(lambda rest: head + rest)
    )
)
def test_any_text_is_settings_or_one_line(text: str) -> None:
    refused = ""
    try:
        parse_settings(text.encode("utf-8", "replace"), "f")
    except InvalidError as error:
        refused = str(error)
    assert not refused or re.match(r"f:\d+: .", refused)


# --- the manual ---------------------------------------------------------------------------


def described() -> dict[str, tuple[str, str]]:
    """`[section] key` -> default and range, as docs/settings.md has them."""
    rows = re.findall(
        r"^\| `(\[\w+\] \w+)` \| (\S+) \| ([^|]+) \| [^|]+ \|$", MANUAL.read_text(), re.MULTILINE
    )
    return {name: (default, values.strip()) for name, default, values in rows}


def test_the_manual_describes_every_key_and_no_other() -> None:
    wanted = {}
    for setting in TABLE:
        if isinstance(setting.default, int):
            wanted[setting.name] = (
                f"`{setting.default}`",
                f"{setting.least} to {setting.most:,}".replace("65,535", "65535"),
            )
        elif isinstance(setting.default, tuple):
            wanted[setting.name] = ("`[]`", "an argument list")
        else:
            wanted[setting.name] = (f'`"{setting.default}"`', described()[setting.name][1])
    assert described() == wanted
