"""PMG's section files (`cluster.conf`, `pmg.conf`, `ldap.conf`, `realms.conf`): bytes to values and
back.

    TYPE: ID                 a header opens a section
    <blank>OPTION VALUE      one option a line; `#` lines are skipped wherever they stand
                             an empty line ends the section

PMG's reader gives up on nothing: what it cannot use it warns about and leaves out. So here: `parse`
never raises, each of its warnings is a `Finding`, and what it returns is what PMG itself would go
on with. The oddities are PMG's (a line that is just `0` ends a section; a line of blanks does not;
a repeated section replaces the earlier one completely, a repeated option does not). Which headers
and options there are is a `Grammar`, given as data.

Bytes that are not UTF-8 survive as surrogate escapes. Blanks are ASCII's (a no-break space is
data).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pmgsync.pmgconf.findings import Finding

BLANKS = " \t\r\f\v"

_COMMENT = re.compile(rf"[{BLANKS}]*#")
_OPTION = re.compile(
    rf"[{BLANKS}]+([^{BLANKS}]+)(?:[{BLANKS}]+(.*[^{BLANKS}]))?[{BLANKS}]*", re.DOTALL
)
_INTEGER = re.compile(r"[+-]?[0-9]+")

Fault = Callable[[str], str]
"""Why a value is refused, in a few words; empty where it is fine."""


def anything(value: str) -> str:  # noqa: ARG001  the signature is `Fault`
    """No value is refused."""
    return ""


def boolean(value: str) -> str:
    """Only `0` and `1`."""
    return "" if value in ("0", "1") else f"type check ('boolean') failed - got '{value}'"


def integer(least: int, most: int | None = None) -> Fault:
    """A whole number within limits, both included."""

    def fault(value: str) -> str:
        if _INTEGER.fullmatch(value) is None:
            return f"type check ('integer') failed - got '{value}'"
        if int(value) < least:
            return f"value must have a minimum value of {least}"
        if most is not None and int(value) > most:
            return f"value must have a maximum value of {most}"
        return ""

    return fault


def matching(pattern: str) -> Fault:
    """Text that `pattern` fits as a whole."""
    fits = re.compile(pattern).fullmatch
    return lambda value: "" if fits(value) else "value does not match the regex pattern"


@dataclass(frozen=True, slots=True)
class OptionRule:
    """What one option may hold. An option that `may_be_bare` has the value 1 where none is
    given.
    """

    fault: Fault = anything
    required: bool = False
    may_be_bare: bool = False


@dataclass(frozen=True, slots=True)
class Grammar:
    """Which sections a file may have. `header` captures type and id; `types` lists each one's
    options.

    `id_fault` says why an id is refused; the section is skipped then, as one of an unknown type is.
    """

    header: re.Pattern[str]
    types: Mapping[str, Mapping[str, OptionRule]]
    id_fault: Fault = anything


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a section, and the line it stands on (0: it was not read from a file)."""

    value: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """One section, in the form that counts. `line` is that of its header."""

    type: str
    id: str
    options: Mapping[str, Option]
    line: int = 0

    def get(self, name: str) -> str | None:
        """The value of an option, None where it is not set."""
        option = self.options.get(name)
        return option.value if option else None


@dataclass(frozen=True, slots=True)
class SectionFile:
    """What a file says: its sections in the order that PMG would write them, and what was left out.

    `incomplete` are sections that lack a required option; PMG drops their content, but not their
    id.
    """

    sections: tuple[Section, ...] = ()
    findings: tuple[Finding, ...] = ()
    incomplete: tuple[Section, ...] = ()


def parse(data: bytes, grammar: Grammar) -> SectionFile:
    """What `data` says by `grammar`. Never raises."""
    return _Parser(data, grammar).parse()


def dump(sections: Iterable[Section]) -> bytes:
    """The sections in PMG's own form: a tab before each option, options sorted, an empty line after
    each.
    """
    blocks = []
    for section in sections:
        options = sorted(section.options.items())
        lines = [f"\t{name} {option.value}\n" for name, option in options if option.value]
        blocks.append(f"{section.type}: {section.id}\n{''.join(lines)}\n")
    return "".join(blocks).encode("utf-8", "surrogateescape")


def section_of(kind: str, section_id: str, options: Mapping[str, str]) -> Section:
    """A section that was not read but made."""
    return Section(kind, section_id, {name: Option(value) for name, value in options.items()})


@dataclass
class _Parser:
    data: bytes
    grammar: Grammar
    sections: dict[str, Section] = field(default_factory=dict)
    incomplete: dict[str, Section] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    def parse(self) -> SectionFile:
        lines = self._lines()
        for number, line in lines:
            if _ends_section(line):
                continue
            if header := self.grammar.header.fullmatch(line):
                self._section(number, header[1], header[2], lines)
            else:
                self._find(number, f"ignore config line: {line}")
        return SectionFile(
            tuple(self.sections.values()), tuple(self.findings), tuple(self.incomplete.values())
        )

    def _lines(self) -> Iterator[tuple[int, str]]:
        text = self.data.decode("utf-8", "surrogateescape")
        for number, line in enumerate(text.split("\n"), 1):
            if _COMMENT.match(line) is None:
                yield number, line

    def _find(self, line: int, what: str, section: str = "") -> None:
        self.findings.append(Finding(line, what, section))

    def _section(self, at: int, kind: str, name: str, lines: Iterator[tuple[int, str]]) -> None:
        fault = self.grammar.id_fault(name)
        if not fault and kind not in self.grammar.types:
            fault = f"unsupported type '{kind}'"
        if fault:
            self._find(at, f"skip section: {fault}", name)
        options: dict[str, Option] = {}
        for number, line in lines:
            if _ends_section(line):
                break
            if not fault:
                self._option(number, line, kind, name, options)
        if not fault:
            self._close(Section(kind, name, options, at))

    def _option(
        self, number: int, line: str, kind: str, section: str, options: dict[str, Option]
    ) -> None:
        match = _OPTION.fullmatch(line)
        if match is None:
            self._find(number, f"ignore config line: {line}", section)
            return
        name, value = match[1], match[2]
        fault, value = self._value(kind, name, value, known=name in options)
        if fault:
            self._find(number, f"unable to parse value of '{name}': {fault}", section)
        elif value is not None:
            options[name] = Option(value, number)

    def _value(
        self, kind: str, name: str, value: str | None, *, known: bool
    ) -> tuple[str, str | None]:
        """Why the value is refused, and what it is; no value at all for what PMG takes without a
        word.
        """
        rule = self.grammar.types[kind].get(name)
        if known:
            return "duplicate attribute", None
        if name == "type" and value == kind:
            return "", None
        if rule is None:
            elsewhere = any(name in options for options in self.grammar.types.values())
            return "unexpected property" if elsewhere else "unknown property type", None
        if value is None:
            return ("", "1") if rule.may_be_bare else ("got undefined value", None)
        return rule.fault(value), value

    def _close(self, section: Section) -> None:
        """Take the section in; the later one of an id replaces the earlier, place in the file
        included.
        """
        self.sections.pop(section.id, None)
        self.incomplete.pop(section.id, None)
        rules = self.grammar.types[section.type]
        lacking = sorted(n for n, r in rules.items() if r.required and n not in section.options)
        if not lacking:
            self.sections[section.id] = section
            return
        self._find(section.line, f"skip section: missing {', '.join(lacking)}", section.id)
        self.incomplete[section.id] = section


def _ends_section(line: str) -> bool:
    return line in ("", "0")  # Perl takes "0" for nothing
