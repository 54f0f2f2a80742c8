"""`pmg.conf`: bytes to typed values and back, by the schema.

PMG dies on nothing in this file. What it cannot use it warns about and drops, and the default
applies; each such line is a finding here. `values` gives what the templates get.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from pmgsync.model.scope import PMG_CONF
from pmgsync.pmgconf.findings import Finding
from pmgsync.pmgconf.formats import is_config_id
from pmgsync.pmgconf.schema import SECTIONS
from pmgsync.pmgconf.section import (
    Grammar,
    Section,
    SectionFile,
    dump,
    headed_by,
    parse,
)
from pmgsync.pmgconf.setting import memory_warning
from pmgsync.pmgconf.values import Value

FILE = str(PMG_CONF)

_named = headed_by("section")


def _header(line: str) -> tuple[str, str] | None:
    found = _named(line)
    return (found[1], found[1]) if found else None


def _id_fault(section_id: str) -> str:
    return "" if is_config_id(section_id) else f"invalid configuration ID '{section_id}'"


def _heading(section: Section) -> str:
    return f"section: {section.id}"


GRAMMAR = Grammar(
    _header,
    {
        section: {name: setting.rule for name, setting in settings.items()}
        for section, settings in SECTIONS.items()
    },
    _id_fault,
    _heading,
)


@dataclass(frozen=True, slots=True)
class PmgConf:
    """What the file says: its sections, and what PMG drops of it."""

    file: SectionFile

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What PMG warns about, in the order of the file."""
        return self.file.findings

    def text(self, section: str, key: str) -> str | None:
        """The text of an option as the file has it, None where it is not set."""
        found = self.file.section(section)
        return found.get(key) if found else None

    def values(self, memory_mib: int) -> Mapping[str, Mapping[str, Value]]:
        """By section, each option that it may have, set or default; None is undefined.

        Integers and booleans are numbers. `memory_mib` (whole MiB) decides some defaults.
        """
        return {
            section: {
                name: setting.default_with(memory_mib)
                if (text := self.text(section, name)) is None
                else setting.rule.value(text)
                for name, setting in settings.items()
            }
            for section, settings in SECTIONS.items()
        }

    def warnings(self, memory_mib: int, file: str = f"/{FILE}") -> tuple[str, ...]:
        """The lines that PMG prints to stderr when it loads the file on such a machine."""
        memory = memory_warning(memory_mib)
        found = [finding.warning(file) for finding in self.findings]
        return (memory, *found) if memory else tuple(found)


def parse_pmg_conf(data: bytes) -> PmgConf:
    """What `data` says. Never raises."""
    return PmgConf(parse(data, GRAMMAR))


def dump_pmg_conf(conf: PmgConf) -> bytes:
    """The file as PMG itself writes it; comments are not part of that."""
    return dump(conf.file.sections, GRAMMAR)
