"""`pmgsync config`: the options of `pmg.conf`, shown, explained and changed one at a time."""

from __future__ import annotations

import sys
from textwrap import fill
from typing import TYPE_CHECKING, Any, NamedTuple

from pmgsync.cli.command import HELP_WIDTH, Command, Place, print_json, say
from pmgsync.cli.editing import edit_synced_file, read_synced_file
from pmgsync.cli.fitting import cut
from pmgsync.errors import ExitCode, InvalidError, UsageError
from pmgsync.host.facts import gather_facts
from pmgsync.model.credentials import mask_unmistakable
from pmgsync.model.paths import printable
from pmgsync.model.scope import PMG_CONF
from pmgsync.pmgconf.formats import BLANKS
from pmgsync.pmgconf.pmg_conf import GRAMMAR, PmgConf, parse_pmg_conf
from pmgsync.pmgconf.schema import SECTIONS, keys
from pmgsync.pmgconf.section_edit import SHOWN, with_option
from pmgsync.pmgconf.section_edit import Place as OptionPlace
from pmgsync.pmgconf.values import MOST_EXACT, Value, ValueType, perl_number_text

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from pathlib import Path

    from pmgsync.pmgconf.setting import Setting

VALUE_COLUMNS = 40
"""A longer value is cut in the list; `get` prints it whole."""


MOST_READ = 1 << 20
_JSON = "for scripts: exact and complete"


class Key(NamedTuple):
    """`SECTION.KEY`, and its row of the schema."""

    section: str
    name: str

    def __str__(self) -> str:
        return f"{self.section}.{self.name}"

    @property
    def setting(self) -> Setting:
        """Its row."""
        return SECTIONS[self.section][self.name]

    @property
    def place(self) -> OptionPlace:
        """Where it stands."""
        return OptionPlace(PMG_CONF, self.section, self.section, self.name)


def parse_key(text: str) -> Key:
    """The key that `text` names; `UsageError` with what was probably meant."""
    section, _, name = text.partition(".")
    if name in SECTIONS.get(section, ()):
        return Key(section, name)
    from difflib import get_close_matches

    known = list(keys())
    close = [key for key in known if key.endswith(f".{text}")] or get_close_matches(text, known, 3)
    raise UsageError(
        "there is no such option",
        where=printable(text[:80]),
        mend=f"did you mean {' or '.join(close)}?" if close else "see `pmgsync config list`",
    )


# --- showing ---


def _configure_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "section", nargs="?", choices=list(SECTIONS), metavar="SECTION", help="only this section"
    )
    parser.add_argument("--set", action="store_true", help="only what the file sets")
    parser.add_argument("--json", action="store_true", help=_JSON)


def _list(options: argparse.Namespace, place: Place) -> int:
    conf = _read(place.root)
    rows = [
        row
        for row in _rows(conf, place.root)
        if (not options.set or row["set"]) and options.section in (None, row["section"])
    ]
    if options.json:
        print_json({"options": rows})
    else:
        print("\n".join(_table(rows)))
    _warn(conf)
    return ExitCode.FINE


def _rows(conf: PmgConf, root: Path) -> list[dict[str, Any]]:
    memory = gather_facts(root).memory_mib
    values = conf.values(memory)
    return [
        {
            "key": str(key),
            "section": key.section,
            "value": values[key.section][key.name],
            "default": key.setting.default_with(memory),
            "set": conf.text(*key) is not None,
        }
        for key in map(parse_key, keys())
    ]


def _table(rows: Iterable[dict[str, Any]]) -> list[str]:
    cells = [("KEY", "VALUE", "", "DEFAULT")]
    for row in rows:
        shown = [cut(_shown(row[column]), VALUE_COLUMNS) for column in ("value", "default")]
        cells.append((row["key"], shown[0], "set" if row["set"] else "", shown[1]))
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in cells]


def _shown(value: Value) -> str:
    """A value for people: no control characters, no passwords, a dash where it is undefined."""
    return "-" if value is None else printable(mask_unmistakable(_text(value)))


def _text(value: Value) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else perl_number_text(value)


def _configure_key(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", metavar="SECTION.KEY", help="as `pmgsync config list` shows it")


def _configure_get(parser: argparse.ArgumentParser) -> None:
    _configure_key(parser)
    parser.add_argument("--json", action="store_true", help=_JSON)


def _get(options: argparse.Namespace, place: Place) -> int:
    key, conf = parse_key(options.key), _read(place.root)
    row = next(row for row in _rows(conf, place.root) if row["key"] == str(key))
    if options.json:
        print_json(row)
    else:
        sys.stdout.buffer.write(_text(row["value"]).encode("utf-8", "surrogateescape") + b"\n")
    _warn(conf)
    return ExitCode.FINE


def _configure_describe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "keys", nargs="*", metavar="SECTION.KEY", help="which options (default: all of them)"
    )
    parser.add_argument("--json", action="store_true", help=_JSON)


def _describe(options: argparse.Namespace, place: Place) -> int:
    wanted = [parse_key(text) for text in options.keys or keys()]
    memory = gather_facts(place.root).memory_mib
    if options.json:
        print_json({"options": [_description(key, memory) for key in wanted]})
    else:
        print("\n\n".join(_described(key, memory) for key in wanted))
    return ExitCode.FINE


def _description(key: Key, memory_mib: int) -> dict[str, Any]:
    setting = key.setting
    return {
        "key": str(key),
        "type": setting.rule.type.value,
        "allowed": setting.rule.allowed,
        "least": setting.rule.least,
        "most": setting.rule.most,
        "most_bytes": setting.rule.most_bytes,
        "choices": list(setting.rule.choices),
        "format": setting.rule.format.name if setting.rule.format else None,
        "default": setting.default_with(memory_mib),
        "default_by_memory": callable(setting.default),
        "meaning": setting.meaning,
    }


def _described(key: Key, memory_mib: int) -> str:
    setting = key.setting
    default = _shown(setting.default_with(memory_mib))
    if callable(setting.default):
        default += f" (by memory; this machine has {memory_mib} MiB)"
    elif setting.default is None:
        default = "none"
    meaning = fill(setting.meaning, HELP_WIDTH, initial_indent="  ", subsequent_indent="  ")
    return (
        f"{key}\n{meaning}\n  type     {setting.rule.type.value}\n"
        f"  allowed  {setting.rule.allowed}\n  default  {default}".rstrip()
    )


def _read(root: Path) -> PmgConf:
    return parse_pmg_conf(read_synced_file(root, PMG_CONF) or b"")


def _warn(conf: PmgConf) -> None:
    """What PMG ignores in the file is not among the values; say so."""
    sys.stdout.flush()
    for finding in conf.findings:
        what = printable(finding.told[:SHOWN])
        say(f"pmgsync: {PMG_CONF}:{finding.line}: PMG ignores this: {what}")


# --- changing ---


def _configure_set(parser: argparse.ArgumentParser) -> None:
    _configure_key(parser)
    parser.add_argument(
        "value", metavar="VALUE", help="its new value; `-` reads it from stdin, one line"
    )
    parser.add_argument("--json", action="store_true", help=_JSON)


def _configure_unset(parser: argparse.ArgumentParser) -> None:
    _configure_key(parser)
    parser.add_argument("--json", action="store_true", help=_JSON)


def _set(options: argparse.Namespace, place: Place) -> int:
    key = parse_key(options.key)
    text = _from_stdin() if options.value == "-" else options.value
    return _edit(key, checked(key, text), options, place)


def _unset(options: argparse.Namespace, place: Place) -> int:
    return _edit(parse_key(options.key), None, options, place)


def _from_stdin() -> str:
    """What stands on stdin, without the line break at its end."""
    data = sys.stdin.buffer.read(MOST_READ + 1)
    if len(data) > MOST_READ:
        raise InvalidError(f"is longer than {MOST_READ} bytes", where="stdin", mend="give one line")
    return data.decode("utf-8", "surrogateescape").removesuffix("\n")


def checked(key: Key, text: str) -> str:
    """`text`, if PMG would read it back as this option's value; `InvalidError` otherwise."""
    fault = _fault(key, text)
    if fault:
        shown = printable(mask_unmistakable(text)[:VALUE_COLUMNS])
        raise InvalidError(
            f"'{shown}' {fault}", where=str(key), mend=f"allowed is {key.setting.rule.allowed}"
        )
    return text


def _fault(key: Key, text: str) -> str:
    rule = key.setting.rule
    if "\n" in text or "\r" in text:
        return "has a line break, and a value is one line"
    if not text:
        return f"is empty, and PMG keeps no empty value (see `pmgsync config unset {key}`)"
    if text != text.strip(BLANKS):
        return "begins or ends with a blank, which PMG would cut"
    if rule.fault(text):
        return "is not a valid value"
    value = rule.value(text)
    if rule.type is ValueType.INTEGER and isinstance(value, float):
        return f"is too large: PMG keeps no number above {MOST_EXACT}"
    return ""


def _edit(key: Key, text: str | None, options: argparse.Namespace, place: Place) -> int:
    before: list[str | None] = []

    def change(data: bytes | None) -> bytes:
        before.append(parse_pmg_conf(data or b"").text(*key))
        return with_option(data or b"", GRAMMAR, key.place, text)

    changed = edit_synced_file(place.root, PMG_CONF, change)
    if options.json:
        print_json({"key": str(key), "before": before[0], "after": text, "changed": changed})
    else:
        print(_told(key, before[0], text, changed=changed))
    return ExitCode.FINE


def _told(key: Key, before: str | None, after: str | None, *, changed: bool) -> str:
    """What was done, in one line."""
    if not changed:
        return f"{key} is {'not set' if after is None else _shown(after)} already"
    was = "not set" if before is None else _shown(before)
    if after is not None:
        return f"{key} is {_shown(after)} now (was {was})"
    default = key.setting.default
    stands = "it depends on the memory" if callable(default) else _shown(default)
    return f"{key} is not set any more (was {was}); default: {stands}"


_MORE = (
    "The file is written in PMG's own form, with the comments in it, in one step. It is not "
    "touched where it holds lines that PMG ignores: they would be lost, so the first one is named."
)

LIST = Command(
    about="List the options of pmg.conf: value, whether the file sets it, default.",
    examples=(
        ("pmgsync config list", "all 87"),
        ("pmgsync config list mail --set", "what the file sets in one section"),
        ("pmgsync config list --json | jq '.options[] | select(.set)'", "for scripts"),
    ),
    run=_list,
    configure=_configure_list,
    more="Passwords in addresses are masked. Lines that PMG ignores are named on stderr.",
)
GET = Command(
    about="Print the value of one option of pmg.conf, set or default; empty where it has none.",
    examples=(
        ("pmgsync config get mail.relay", ""),
        ("pmgsync config get mail.relay --json", "with default, and whether it is set"),
    ),
    run=_get,
    configure=_configure_get,
)
SET = Command(
    about="Set one option of pmg.conf. The value is checked first. Only on the master.",
    examples=(
        ("pmgsync config set mail.relay mx.example.com", ""),
        ("pmgsync config set mail.banner 'ESMTP mail gateway'", ""),
        ("pmgsync config set admin.custom_check 1", "booleans are 0 and 1"),
        ("pmgsync config set admin.http_proxy - < proxy.txt", "with a password in it"),
    ),
    run=_set,
    configure=_configure_set,
    codes=(ExitCode.REJECTED, ExitCode.NO_MASTER),
    more=_MORE,
)
UNSET = Command(
    about="Take one option out of pmg.conf, so that its default applies. Only on the master.",
    examples=(("pmgsync config unset mail.smarthost", ""),),
    run=_unset,
    configure=_configure_unset,
    codes=(ExitCode.REJECTED, ExitCode.NO_MASTER),
    more=_MORE,
)
DESCRIBE = Command(
    about="Say what options of pmg.conf mean: type, what is allowed, default, meaning.",
    examples=(
        ("pmgsync config describe mail.filter-timeout", ""),
        ("pmgsync config describe --json", "the whole schema, for scripts"),
    ),
    run=_describe,
    configure=_configure_describe,
)
CONFIG = Command(
    about="Show, explain and change the options of pmg.conf, PMG's main configuration.",
    examples=(
        ("pmgsync config list --set", "what the file sets"),
        ("pmgsync config describe mail.relay", "what an option means"),
        ("pmgsync config set mail.relay mx.example.com", "change it"),
    ),
    codes=(ExitCode.REJECTED, ExitCode.NO_MASTER),
    verbs={"list": LIST, "get": GET, "set": SET, "unset": UNSET, "describe": DESCRIBE},
)
