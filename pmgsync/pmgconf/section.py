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
data). Every line is looked at in time linear in its length, whatever it holds.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pmgsync.model.credentials import mask_unmistakable
from pmgsync.pmgconf.findings import Finding, Findings, Severity
from pmgsync.pmgconf.formats import BLANKS
from pmgsync.pmgconf.values import OptionRule, ValueType

_BYTE_ORDER_MARK = "\ufeff"
_BLANK = re.compile(f"[{BLANKS}]+")

Rules = Mapping[str, OptionRule]
Header = Callable[[str], tuple[str, str] | None]
"""Type and id of the section that a line opens; None where the line is no header."""


def typed_header(line: str) -> tuple[str, str] | None:
    """`TYPE: ID`, the header of most files. Of several colons in one word the last one counts."""
    if not line or line[0] in BLANKS:
        return None
    first, *rest = _BLANK.split(line.rstrip(BLANKS), maxsplit=1)
    if rest:
        fits = first.endswith(":") and len(first) > 1 and not _BLANK.search(rest[0])
        return (first[:-1], rest[0]) if fits else None
    colon = first.rfind(":", 1, -1)
    return (first[:colon], first[colon + 1 :]) if colon > 0 else None


def headed_by(*words: str) -> Header:
    """`WORD: ID` for these words only; a line that begins with another is no header at all."""

    def header(line: str) -> tuple[str, str] | None:
        word, colon, rest = line.partition(":")
        name = rest.strip(BLANKS)
        fits = colon and word in words and name and not _BLANK.search(name)
        return (word, name) if fits else None

    return header


def _no_fault(section_id: str) -> str:  # noqa: ARG001  the signature is `Grammar.id_fault`
    return ""


def _typed_heading(section: "Section") -> str:
    return f"{section.type}: {section.id}"


@dataclass(frozen=True, slots=True)
class Grammar:
    """Which sections a file may have, and what each type's options may hold.

    `id_fault` says why an id is refused; the section is skipped then, as one of an unknown type is.
    `ids` says in words what an id may be; empty where an id is a type, too. `heading` writes the
    header. Of a file that `is_secret`, findings never show a line.
    """

    header: Header
    types: Mapping[str, Rules]
    id_fault: Callable[[str], str] = _no_fault
    heading: Callable[["Section"], str] = _typed_heading
    is_secret: bool = False
    ids: str = ""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a section, and the line it stands on (0: it was not read from a file)."""

    value: str
    line: int = 0


@dataclass(frozen=True, slots=True)
class Section:
    """One section, in the form that counts. `line` is that of its header, `last_line` the last one
    that PMG's reader looked at in it.
    """

    type: str
    id: str
    options: Mapping[str, Option]
    line: int = 0
    last_line: int = 0

    def get(self, name: str) -> str | None:
        """The value of an option, None where it is not set."""
        option = self.options.get(name)
        return option.value if option else None


@dataclass(frozen=True, slots=True)
class SectionFile:
    """What a file says: its sections in the order that PMG would write them, and what was left out.

    `incomplete` are sections that lack a required option; PMG drops their content, but not their
    id. `replaced` are sections that a later one of the same id replaced, about which PMG says
    nothing.
    """

    sections: tuple[Section, ...] = ()
    findings: tuple[Finding, ...] = ()
    incomplete: tuple[Section, ...] = ()
    replaced: tuple[Section, ...] = ()

    def section(self, section_id: str) -> Section | None:
        """The section of that id, if there is one."""
        return next((section for section in self.sections if section.id == section_id), None)


def parse(data: bytes, grammar: Grammar) -> SectionFile:
    """What `data` says by `grammar`. Never raises."""
    return _Parser(data, grammar).parse()


def dump(sections: Iterable[Section], grammar: Grammar) -> bytes:
    """The sections in PMG's own form: a tab before each option, `comment` and `disable` first, then
    the required options, then the others, each group sorted; an empty line after each section.
    """
    blocks = []
    for section in sections:
        lines = option_lines(section, grammar.types[section.type]).values()
        blocks.append("\n".join([grammar.heading(section), *lines, "\n"]))
    return "".join(blocks).encode("utf-8", "surrogateescape")


def option_lines(section: Section, rules: Rules) -> dict[str, str]:
    """The lines of the section's options as PMG writes them, in its order, by name. Empty values
    are left out, and so are a comment that is `0` and a `disable` that is not set.
    """
    lines: dict[str, str] = {}
    for name in writing_order(section.options, rules):
        value = rules[name].written(section.options[name].value)
        if name == "disable":
            lines |= {name: "\tdisable"} if value == "1" else {}
        elif value and not (name == "comment" and value == "0"):
            lines[name] = f"\t{name} {value}"
    return lines


def writing_order(names: Iterable[str], rules: Rules) -> list[str]:
    """The order of PMG's writer: `comment`, `disable`, the required options, the others."""
    first = {"comment": 0, "disable": 1}
    return sorted(names, key=lambda name: (first.get(name, 3 - rules[name].required), name))


def section_of(kind: str, section_id: str, options: Mapping[str, str]) -> Section:
    """A section that was not read but made."""
    return Section(kind, section_id, {name: Option(value) for name, value in options.items()})


def is_comment(line: str) -> bool:
    """Does PMG's reader skip this line wherever it stands?"""
    return line.lstrip(BLANKS).startswith("#")


def ends_section(line: str) -> bool:
    """Does this line end a section? To Perl, `0` is as good as empty."""
    return line in ("", "0")


def split_option(line: str) -> tuple[str, str | None] | None:
    """Name and value of the option on `line`, its outer blanks cut; None where it holds none."""
    text = line.strip(BLANKS)
    if not text or line[0] not in BLANKS:
        return None
    name, *rest = _BLANK.split(text, maxsplit=1)
    return name, rest[0] if rest else None


@dataclass
class _Parser:
    data: bytes
    grammar: Grammar
    sections: dict[str, Section] = field(default_factory=dict)
    incomplete: dict[str, Section] = field(default_factory=dict)
    replaced: list[Section] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)

    def parse(self) -> SectionFile:
        lines = self._lines()
        for number, line in lines:
            if ends_section(line):
                continue
            if header := self.grammar.header(line):
                self._section(number, *header, lines)
            else:
                self._ignore(number, line)
        return SectionFile(
            tuple(self.sections.values()),
            self.findings.all(),
            tuple(self.incomplete.values()),
            tuple(self.replaced),
        )

    def _lines(self) -> Iterator[tuple[int, str]]:
        text = self.data.decode("utf-8", "surrogateescape")
        for number, line in enumerate(text.split("\n"), 1):
            if not is_comment(line):
                yield number, line

    def _ignore(self, number: int, line: str, section: str = "") -> None:
        if self.findings.is_full:  # a large file that is no section file at all
            self.findings.count()
            return
        shown = "(not shown)" if self.grammar.is_secret else mask_unmistakable(line)
        severity = Severity.ERROR if line.strip(BLANKS) else Severity.WARNING
        what, mend = f"ignore config line: {shown}", self._mend_of(line, inside=bool(section))
        self.findings.add(Finding(number, what, section, mend, severity))

    def _mend_of(self, line: str, *, inside: bool) -> str:
        """What most likely keeps PMG from reading the line as its author meant it."""
        if line.endswith("\r"):
            return "give the file line ends without CR"
        if line.startswith(_BYTE_ORDER_MARK):
            return "remove the byte order mark before it"
        if inside and self.grammar.header(line):
            return "put an empty line before it"
        return "remove it, or write it as ` OPTION VALUE` in a section"

    def _section(self, at: int, kind: str, name: str, lines: Iterator[tuple[int, str]]) -> None:
        fault, mend = self._heading_fault(kind, name)
        if fault:
            self.findings.add(Finding(at, fault, name, mend, skips=True))
        options: dict[str, Option] = {}
        last = at
        for number, line in lines:
            if ends_section(line):
                break
            if not fault:
                last = number
                self._option(number, line, kind, name, options)
        if not fault:
            self._close(Section(kind, name, options, at, last))

    def _heading_fault(self, kind: str, name: str) -> tuple[str, str]:
        known = f"known types: {', '.join(self.grammar.types)}"
        if fault := self.grammar.id_fault(name):
            return fault, f"give it {self.grammar.ids} as its name" if self.grammar.ids else known
        return (f"unsupported type '{kind}'", known) if kind not in self.grammar.types else ("", "")

    def _option(
        self, number: int, line: str, kind: str, section: str, options: dict[str, Option]
    ) -> None:
        split = split_option(line)
        if split is None:
            self._ignore(number, line, section)
            return
        name, text = split
        fault, mend = _fault(self.grammar, kind, name, text, known=name in options)
        if fault:
            what = f"unable to parse value of '{name}': {fault}"
            self.findings.add(Finding(number, what, section, mend, key=name))
        else:
            options[name] = Option("1" if text is None else text, number)

    def _close(self, section: Section) -> None:
        """Take the section in; the later one of an id replaces the earlier, place in the file
        included.
        """
        section, rules = _without_type(section), self.grammar.types[section.type]
        for known in (self.sections, self.incomplete):
            if section.id in known:
                self.replaced.append(known.pop(section.id))
        lacking = sorted(n for n, r in rules.items() if r.required and n not in section.options)
        if not lacking:
            self.sections[section.id] = section
            return
        names = ", ".join(f"'{name}'" for name in lacking)
        what = f"missing value for required option {names}"
        self.findings.add(Finding(section.last_line, what, section.id, "add it", skips=True))
        self.incomplete[section.id] = section


def _fault(
    grammar: Grammar, kind: str, name: str, text: str | None, *, known: bool
) -> tuple[str, str]:
    """Why PMG drops the option, and the mend; empty where it does not."""
    rules = grammar.types[kind]
    if known:
        return "duplicate attribute", "the first one counts; remove this one"
    if name == "type" and text == kind:
        return "", ""
    if name not in rules:
        elsewhere = name == "type" or any(name in options for options in grammar.types.values())
        what = f"unexpected property '{name}'" if elsewhere else "unknown property type"
        return what, f"remove it; a section '{kind}' has no such option"
    rule = rules[name]
    if text is None and rule.type is not ValueType.BOOLEAN:
        return "got undefined value", f"give it a value ({rule.allowed}) or remove it"
    return rule.fault("1" if text is None else text), f"allowed is {rule.allowed}"


def _without_type(section: Section) -> Section:
    """An option `type` that says what the header says is accepted, and means nothing."""
    if "type" not in section.options:
        return section
    options = {name: option for name, option in section.options.items() if name != "type"}
    return Section(section.type, section.id, options, section.line, section.last_line)
