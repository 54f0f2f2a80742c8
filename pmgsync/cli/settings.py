"""The settings of a node: ROOT/etc/pmgsync/pmgsync.toml, parsed once, then a frozen value.

`TABLE` is the one list of what may be set; `docs/settings.md` describes each key (a test compares
them). All are optional. What is unknown, of the wrong type or out of range is refused with file
and line.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from pmgsync.errors import InvalidError, MalformedError
from pmgsync.model.naming import check_node_name

if TYPE_CHECKING:
    from pathlib import Path

FILE = "etc/pmgsync/pmgsync.toml"
MAX_BYTES = 64 << 10
Fault = tuple[str, str]
"""What is wrong with a value, and the mend."""
HERE = "here"
HAND_OVER = ("members", HERE)
LEVELS = ("debug", "info", "warning", "error")
RENDER_MODES = ("auto", "on", "off")
MAX_WORDS = 100


@dataclass(frozen=True, slots=True)
class Setting:
    """One key: `[section] key`, its default, and its range if it is a number."""

    section: str
    key: str
    default: str | int | tuple[str, ...]
    least: int = 0
    most: int = 0

    @property
    def name(self) -> str:
        """How it is written about: `[network] member_port`."""
        return f"[{self.section}] {self.key}"


TABLE: tuple[Setting, ...] = (
    Setting("node", "name", ""),
    Setting("node", "address", ""),
    Setting("network", "member_port", 7643, 1, 65535),
    Setting("network", "join_port", 7644, 1, 65535),
    Setting("network", "heartbeat_ms", 1000, 10, 60_000),
    Setting("watch", "quiet_ms", 2, 0, 10_000),
    Setting("watch", "settle_max_ms", 50, 1, 60_000),
    Setting("watch", "rescan_s", 30, 1, 86_400),
    Setting("history", "versions", 1000, 1, 1_000_000),
    Setting("promotion", "hand_over", "members"),
    Setting("log", "level", "info"),
    Setting("render", "mode", "auto"),
    Setting("services", "postfix_reload", ()),
    Setting("services", "clamd_restart", ()),
    Setting("services", "freshclam_restart", ()),
    Setting("services", "filter_restart", ()),
    Setting("services", "filter_reload", ()),
)


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """`[node]`: who this is. What is empty, the daemon finds out."""

    name: str = ""
    address: str = ""


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """`[network]`: TCP ports, and how often the master says that it is there."""

    member_port: int = 7643
    join_port: int = 7644
    heartbeat_ms: int = 1000


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """`[watch]`: when edits count as one change, and how often everything is looked at again."""

    quiet_ms: int = 2
    settle_max_ms: int = 50
    rescan_s: int = 30


@dataclass(frozen=True, slots=True)
class HistorySettings:
    """`[history]`: how many versions are kept."""

    versions: int = 1000


@dataclass(frozen=True, slots=True)
class PromotionSettings:
    """`[promotion]`: to whom a master hands over: to any of the `members` that asks, or only to the
    one that an admin names `here`, on the master.
    """

    hand_over: str = "members"


@dataclass(frozen=True, slots=True)
class LogSettings:
    """`[log]`: what is worth a line."""

    level: str = "info"


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """`[render]`: whether the daemon writes service files."""

    mode: str = "auto"


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """`[services]`: argument lists that tell a service of a change; empty: the usual one."""

    postfix_reload: tuple[str, ...] = ()
    clamd_restart: tuple[str, ...] = ()
    freshclam_restart: tuple[str, ...] = ()
    filter_restart: tuple[str, ...] = ()
    filter_reload: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings, by section; units are in the names."""

    node: NodeSettings = NodeSettings()
    network: NetworkSettings = NetworkSettings()
    watch: WatchSettings = WatchSettings()
    history: HistorySettings = HistorySettings()
    promotion: PromotionSettings = PromotionSettings()
    log: LogSettings = LogSettings()
    render: RenderSettings = RenderSettings()
    services: ServiceSettings = ServiceSettings()


def load_settings(root: Path) -> Settings:
    """The settings of the node below `root`; the defaults where there is no file."""
    path = root / FILE
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return Settings()
    except OSError as error:
        raise InvalidError(f"cannot be read: {error.strerror}", where=str(path)) from None
    return parse_settings(data, str(path))


def parse_settings(data: bytes, file: str) -> Settings:
    """The settings in `data`; `InvalidError` at `FILE:LINE` for anything that they cannot be."""
    if len(data) > MAX_BYTES:
        raise InvalidError(f"is larger than {MAX_BYTES} bytes", where=file)
    try:
        text = data.decode("utf-8")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidError("is not UTF-8", where=f"{file}:{line}") from None
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(error, text, file) from None
    return _Reader(text, file).settings(document)


class _Reader:
    """Takes the document apart, and knows the lines to complain about."""

    def __init__(self, text: str, file: str) -> None:
        self._lines = text.split("\n")
        self._file = file

    def settings(self, document: dict[str, Any]) -> Settings:
        """The settings in `document`."""
        sections = dict.fromkeys(setting.section for setting in TABLE)
        settings = Settings()
        for section, content in document.items():
            if section not in sections or not isinstance(content, dict):
                mend = "known: " + ", ".join(f"[{name}]" for name in sections)
                raise self._error(section, "", f"unknown section or key {section!r}", mend)
            for key, value in content.items():
                self._check(section, key, value)
            values = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
            part = replace(getattr(settings, section), **values)
            settings = replace(settings, **{section: part})
        network = settings.network
        if network.member_port == network.join_port:
            what = f"[network] member_port and join_port are both {network.join_port}"
            key = "join_port" if "join_port" in document["network"] else "member_port"
            raise self._error("network", key, what, "give them different ports")
        return settings

    def _check(self, section: str, key: str, value: object) -> None:
        known = {setting.key: setting for setting in TABLE if setting.section == section}
        if key not in known:
            mend = f"known: {', '.join(known)}"
            raise self._error(section, key, f"unknown key {key!r} in [{section}]", mend)
        if fault := _fault_of(known[key], value):
            what, mend = fault
            raise self._error(section, key, f"{known[key].name} {what}", mend)

    def _error(self, section: str, key: str, what: str, mend: str) -> InvalidError:
        return InvalidError(what, where=f"{self._file}:{self._line_of(section, key)}", mend=mend)

    def _line_of(self, section: str, key: str) -> int:
        """Where it is written; the section's line if the key is not found, else the first."""
        header = re.compile(rf"\s*\[\s*[\"']?{re.escape(section)}[\"']?\s*[\].]")
        wanted = re.compile(rf"\s*[\"']?{re.escape(key or section)}[\"']?\s*[=.]")
        dotted = re.compile(rf"\s*{re.escape(section)}\s*\.\s*{re.escape(key)}\s*[=.]")
        found, inside = 0, not key
        for number, line in enumerate(self._lines, 1):
            if line.lstrip().startswith("["):
                inside = header.match(line) is not None
                found = number if inside and not found else found
            elif (inside and wanted.match(line)) or dotted.match(line):
                return number
        return found or 1


def _fault_of(setting: Setting, value: object) -> Fault | None:
    """What is wrong with `value`, if anything."""
    if isinstance(setting.default, int):
        if type(value) is not int:
            return "is not a whole number", f"for example {setting.key} = {setting.default}"
        if not setting.least <= value <= setting.most:
            return f"is {value}", f"from {setting.least} to {setting.most}"
        return None
    if isinstance(setting.default, tuple):
        return _words_fault(setting.key, value)
    if not isinstance(value, str):
        return "is not text", f'write it in quotes: {setting.key} = "..."'
    return _TEXT_CHECKS[setting.key](value)


def _name_fault(value: str) -> Fault | None:
    try:
        check_node_name(value)
    except MalformedError as error:
        return f"{value[:80]!r} {error.what}", "use the node's short host name"
    return None


def _address_fault(value: str) -> Fault | None:
    try:
        address = ip_address(value)
    except ValueError:
        return f"{value[:80]!r} is not an IP address", "names are not looked up"
    if address.is_unspecified or address.is_multicast:
        return (
            f"{value} is nobody's address",
            "use the one by which the other nodes reach this node",
        )
    return None


def _level_fault(value: str) -> Fault | None:
    return None if value in LEVELS else (f"is {value[:40]!r}", f"one of {', '.join(LEVELS)}")


def _hand_over_fault(value: str) -> Fault | None:
    return None if value in HAND_OVER else (f"is {value[:40]!r}", f"one of {', '.join(HAND_OVER)}")


def _mode_fault(value: str) -> Fault | None:
    if value in RENDER_MODES:
        return None
    return f"is {value[:40]!r}", f"one of {', '.join(RENDER_MODES)}"


def _words_fault(key: str, value: object) -> Fault | None:
    mend = f'a program and its arguments: {key} = ["systemctl", "reload", "postfix"]'
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        return "is not a list of texts", mend
    if any("\0" in word for word in value) or len(value) > MAX_WORDS or "" in value[:1]:
        return "is no command", mend
    return None


_TEXT_CHECKS = {
    "name": _name_fault,
    "address": _address_fault,
    "level": _level_fault,
    "hand_over": _hand_over_fault,
    "mode": _mode_fault,
}


def _not_toml(error: tomllib.TOMLDecodeError, text: str, file: str) -> InvalidError:
    found = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
    line = text.count("\n") + 1
    what = str(error)
    if found:
        what = what[: found.start()]
        line = int(found[1]) if found[1] else line
    what = what[:1].lower() + what[1:]
    return InvalidError(
        f"not TOML: {what}", where=f"{file}:{line}", mend="see toml.io for its form"
    )
