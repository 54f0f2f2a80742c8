"""The checks of a configuration as a whole, as a table; and those of the form of its files.

Order of the rows is that of `docs/checking.md`. To add a check, write a function from
`Configuration` and `Surroundings` to remarks, and a row with what it finds and why that matters.
"""

from __future__ import annotations

from collections.abc import Iterator

from pmgsync.pmgconf import checks_mail, checks_people
from pmgsync.pmgconf.check import Check, Remark, Surroundings
from pmgsync.pmgconf.configuration import SECTION_FILES, Configuration

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def replaced_sections(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """Sections that a later one of the same name replaces."""
    for path, file in configuration.sections():
        for section in file.replaced:
            name = SECTION_FILES[path].heading(section)
            what = f"`{name}` stands again further down, and that one replaces all of this one"
            yield Remark(path, section.line, what, "make one section of them")


def dos_line_ends(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """Section files with CR LF."""
    for path, _file in configuration.sections():
        data = configuration.content(path)
        if b"\r\n" in data:
            line = data.count(b"\n", 0, data.index(b"\r\n")) + 1
            what = "lines end with CR LF: PMG sees no empty line, so only the first section"
            yield Remark(path, line, what, f"dos2unix /{path}")


def byte_order_marks(configuration: Configuration, _: Surroundings) -> Iterator[Remark]:
    """Section files that begin with what some editors put before UTF-8."""
    for path, _file in configuration.sections():
        if configuration.content(path).startswith(_BYTE_ORDER_MARK):
            what = "begins with a byte order mark, so PMG does not see its first section"
            yield Remark(path, 1, what, "save it as UTF-8 without one")


CHECKS: tuple[Check, ...] = (
    *checks_mail.CHECKS,
    *checks_people.CHECKS,
    Check(
        "section-twice",
        replaced_sections,
        "a section that stands twice in a section file (`pmg.conf`, `cluster.conf`, `ldap.conf`, "
        "`realms.conf`)",
        "The later one replaces the earlier completely; what only the earlier says is lost.",
    ),
    Check(
        "dos-line-ends",
        dos_line_ends,
        "lines of a section file that end with CR LF",
        "The empty line between two sections is no longer empty, so only the first one is read.",
    ),
    Check(
        "byte-order-mark",
        byte_order_marks,
        "a byte order mark before a section file",
        "The header of the first section is not recognised, and nothing in it is read.",
    ),
)


def remarks(configuration: Configuration, around: Surroundings) -> Iterator[tuple[Check, Remark]]:
    """What all checks find."""
    for check in CHECKS:
        yield from ((check, remark) for remark in check.run(configuration, around))
