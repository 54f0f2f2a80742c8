"""One option of a section file set or taken away, and nothing else lost.

The new file has PMG's own form, with the admin's comments, which PMG's writer would drop: those
above a section stay above it, those inside stay above the option that they stood above, all others
where they are. A file that holds lines which PMG ignores is not edited, as they would be gone: the
first of them is named. Those about the option itself are the exception; it is being mended.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from pmgsync.errors import InvalidError
from pmgsync.model.paths import printable
from pmgsync.pmgconf.findings import Finding, Severity
from pmgsync.pmgconf.section import (
    Grammar,
    Option,
    Rules,
    Section,
    SectionFile,
    ends_section,
    is_comment,
    option_lines,
    parse,
    split_option,
    writing_order,
)

SHOWN = 200
"""So many characters of a line are shown in an error."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an option stands: in the file `where` (for messages), in a section, under its name."""

    where: str
    type: str
    section: str
    key: str


@dataclass
class _Comments:
    """The comment lines of one section: above it, above each option, and at its end."""

    above: list[str] = field(default_factory=list)
    options: dict[str, list[str]] = field(default_factory=dict)
    end: list[str] = field(default_factory=list)


def with_option(data: bytes, grammar: Grammar, place: Place, text: str | None) -> bytes:
    """The file in `data` with the option at `place` set to `text` (None: taken away).

    The section is made, at the end, where it is missing; where all is as wanted, `data` comes back
    as it is. `text` has passed the option's rule.
    Raises `InvalidError`, naming FILE:LINE, rather than to lose a line or to write what PMG would
    read back as something else.
    """
    file = parse(data, grammar)
    if _is_so(file, place, text):
        return data
    _require_no_loss(file, place)
    sections = _changed(file, place, text)
    for section in sections:
        _require_lasting(section, grammar.types[section.type], place)
    comments, rest = _comments_of(data, grammar)
    blocks = [*_blocks(sections, comments, grammar), *([*rest, ""] if rest else [])]
    new = "\n".join([*blocks, ""]).encode("utf-8", "surrogateescape")
    _require_same(parse(new, grammar), sections, grammar, place)
    return new


def _is_own(finding: Finding, place: Place) -> bool:
    return (finding.section, finding.key) == (place.section, place.key)


def _is_so(file: SectionFile, place: Place, text: str | None) -> bool:
    section = file.section(place.section)
    is_text = (section.get(place.key) if section else None) == text
    return is_text and not any(_is_own(finding, place) for finding in file.findings)


def _changed(file: SectionFile, place: Place, text: str | None) -> tuple[Section, ...]:
    section = file.section(place.section)
    if section is None:
        if text is None:
            return file.sections
        made = Section(place.type, place.section, {place.key: Option(text)})
        return (*file.sections, made)
    options = {name: option for name, option in section.options.items() if name != place.key}
    if text is not None:
        options[place.key] = Option(text)
    changed = replace(section, options=options)
    return tuple(changed if one is section else one for one in file.sections)


def _require_no_loss(file: SectionFile, place: Place) -> None:
    for finding in file.findings:
        if finding.severity is Severity.ERROR and not _is_own(finding, place):
            raise _would_lose(finding, place)
    if file.replaced:
        section = file.replaced[0]
        raise InvalidError(
            f"this section '{section.id}' counts for nothing, as a later one replaces it; an edit "
            "would drop it",
            where=f"{place.where}:{section.line}",
            mend="move what is needed into the later one, and remove it",
        )


def _would_lose(finding: Finding, place: Place) -> InvalidError:
    return InvalidError(
        f"PMG ignores this line ({printable(finding.told[:SHOWN])}), and an edit would drop it",
        where=f"{place.where}:{finding.line}",
        mend=f"mend it first: {finding.mend}",
    )


def _require_lasting(section: Section, rules: Rules, place: Place) -> None:
    """PMG writes numbers as Perl prints them; one too large for that would not come back."""
    for name, option in section.options.items():
        rule, written = rules[name], rules[name].written(option.value)
        if rule.fault(written) or rule.value(written) != rule.value(option.value):
            raise InvalidError(
                f"PMG would write the value of '{name}' as {written}, which it does not read back",
                where=f"{place.where}:{option.line}" if option.line else place.where,
                mend="give a smaller number",
            )


def _require_same(
    again: SectionFile, sections: tuple[Section, ...], grammar: Grammar, place: Place
) -> None:
    """The last word: what was written has to be read as what was meant."""
    meant = [(s.id, _values(s, grammar)) for s in sections]
    if again.findings or [(s.id, _values(s, grammar)) for s in again.sections] != meant:
        raise InvalidError(
            "PMG would not read the new file as it is meant",
            where=place.where,
            mend="nothing was changed; please report it",
        )


def _values(section: Section, grammar: Grammar) -> dict[str, object]:
    rules = grammar.types[section.type]
    return {name: rules[name].value(option.value) for name, option in section.options.items()}


def _blocks(
    sections: Iterable[Section], comments: dict[str, _Comments], grammar: Grammar
) -> Iterator[str]:
    for section in sections:
        known = comments.get(section.id, _Comments())
        rules = grammar.types[section.type]
        lines = option_lines(section, rules)
        yield from (*known.above, grammar.heading(section))
        for name in writing_order({*lines, *known.options}, rules):
            yield from known.options.get(name, ())
            if name in lines:
                yield lines[name]
        yield from (*known.end, "")


def _comments_of(data: bytes, grammar: Grammar) -> tuple[dict[str, _Comments], list[str]]:
    """The comments of each section, and those after the last one. Nothing that PMG ignores is left
    in `data` by now but blank lines, and lines about the option that is being edited.
    """
    found: dict[str, _Comments] = {}
    pending: list[str] = []
    current: _Comments | None = None
    rules: Rules = {}
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        if is_comment(line):
            pending.append(line.rstrip("\r"))
        elif current is None and (header := grammar.header(line)):
            current, rules = _Comments(above=pending), grammar.types[header[0]]
            found[header[1]], pending = current, []
        elif current is None and pending and pending[-1]:
            pending.append("")
        elif current is not None and ends_section(line):
            current.end, current, pending = pending, None, []
        elif current is not None and (option := split_option(line)) and option[0] in rules:
            current.options.setdefault(option[0], []).extend(pending)
            pending = []
    if current is not None:
        current.end, pending = pending, []
    return found, pending[:-1] if pending and not pending[-1] else pending
