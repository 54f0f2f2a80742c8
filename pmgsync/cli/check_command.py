"""`pmgsync check`: what is wrong in the synced files, and what the admin surely did not mean."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pmgsync.cli.command import Command, Place, print_json, say
from pmgsync.cli.custom_check_command import program_path, try_check
from pmgsync.cli.tables import counted
from pmgsync.errors import ExitCode, HostError
from pmgsync.host.clock import SystemClock
from pmgsync.host.disk import PLACES, DiskReader
from pmgsync.host.facts import gather_facts
from pmgsync.model.manifest import MAX_FILE_BYTES
from pmgsync.model.paths import printable
from pmgsync.model.scope import PMG, PMG_CONF, SPAMASSASSIN, holds_synced_files, rule_for
from pmgsync.pmgconf.check import Surroundings
from pmgsync.pmgconf.checks import remarks
from pmgsync.pmgconf.checks_mail import RESOLV_CONF
from pmgsync.pmgconf.checks_people import mentioned_rules
from pmgsync.pmgconf.configuration import Configuration
from pmgsync.pmgconf.findings import Finding, Severity
from pmgsync.ports import FileKind, Seen
from pmgsync.render.lookup import JINJA

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Mapping

TEMPLATES = f"{PMG}/templates/"
TEMPLATE_NAMES = (".in", ".in.demo", ".tt")
"""How the names of PMG's templates end; behind it, `.j2` makes it Jinja2."""
RULE_FOLDERS = ("var/lib/spamassassin", "usr/share/spamassassin", "usr/share/spamassassin-extra")
"""Where SpamAssassin's own rules lie; the admin's are beside the scores."""

_SYSTEM = Path("/")


@dataclass(frozen=True, slots=True)
class Located:
    """A finding in a file. `check` is the name of the check that made it, empty for a parser."""

    path: str
    finding: Finding
    check: str = ""

    @property
    def order(self) -> tuple[str, int, str]:
        """By file and line."""
        return self.path, self.finding.line, self.finding.what

    def text(self, root: Path) -> str:
        """`FILE:LINE: error|warning: WHAT; MEND`. What is the whole file's stands at line 1."""
        found = self.finding
        section = f"section '{found.section}': " if found.section else ""
        mend = f"; {found.mend}" if found.mend else ""
        place = f"{root / self.path}:{found.line or 1}"
        return printable(f"{place}: {found.severity.value}: {section}{found.what}{mend}")

    def to_json(self) -> dict[str, object]:
        """The same for scripts; null where there is none."""
        found = self.finding
        return {
            "file": self.path,
            "line": found.line or None,
            "severity": found.severity.value,
            "section": found.section or None,
            "key": found.key or None,
            "what": found.what,
            "mend": found.mend or None,
            "check": self.check or None,
        }


def check_tree(root: Path, now: int) -> Iterator[Located]:
    """What is found in the tree at `root`; `now` is in seconds since 1970."""
    files: dict[str, bytes] = {}
    unreadable = list(_read(root, files))
    yield from unreadable
    yield from _templates(files)
    configuration = Configuration(files)
    around = _surroundings(root, configuration, now)
    around = replace(around, unread=frozenset(found.path for found in unreadable))
    for path, finding in configuration.findings():
        yield Located(path, finding)
    for check, remark in remarks(configuration, around):
        finding = Finding(remark.line, remark.what, mend=remark.mend, severity=Severity.WARNING)
        yield Located(remark.path, finding, check.name)


def _read(root: Path, files: dict[str, bytes]) -> Iterator[Located]:
    """Fill `files` with what can be read; yields what cannot."""
    reader = DiskReader(root)
    for seen in reader.walk():
        if not _is_ours(seen):
            continue
        if seen.kind is not FileKind.FILE:
            yield Located(seen.path, _no_file(seen))
            continue
        try:
            files[seen.path], _ = reader.read(seen.path, limit=MAX_FILE_BYTES)
        except HostError as error:
            yield Located(seen.path, Finding(0, error.what, mend=error.mend))


def _templates(files: Mapping[str, bytes]) -> Iterator[Located]:
    """Overrides of PMG's templates that do not compile: PMG dies on them, and so do we.

    Names that PMG does not look for are no templates, whatever is in them.
    """
    paths = [path for path in files if path.startswith(TEMPLATES) and _is_template(path)]
    if not paths:
        return
    # Only here: Jinja2 is slow to load, and most machines have no override.
    from pmgsync.render.compile import compile_template
    from pmgsync.render.errors import TemplateError
    from pmgsync.render.jinja import check_jinja

    for path in paths:
        compiled = check_jinja if path.endswith(JINJA) else compile_template
        try:
            compiled(name=path.removeprefix(TEMPLATES), source=files[path])
        except TemplateError as error:
            mend = "correct it, or remove it: the packaged one counts then"
            yield Located(path, Finding(error.line, f"does not compile: {error.what}", mend=mend))


def _is_template(path: str) -> bool:
    return path.removesuffix(JINJA).endswith(TEMPLATE_NAMES)


def _is_ours(seen: Seen) -> bool:
    path = seen.path
    return rule_for(path) is not None or path in PLACES or holds_synced_files(path)


def _no_file(seen: Seen) -> Finding:
    """A link is a warning: PMG itself follows it (we do not, as it may lead to a secret). On the
    others it dies.
    """
    if seen.kind is FileKind.UNREADABLE:
        return Finding(0, f"is a {seen.kind.value}", mend="mend its permissions")
    wanted = "file: it is not" if rule_for(seen.path) else "folder: nothing in it is"
    severity = Severity.WARNING if seen.kind is FileKind.LINK else Severity.ERROR
    what = f"is a {seen.kind.value}, no {wanted} synced or checked"
    return Finding(0, what, mend="replace it", severity=severity)


def _surroundings(root: Path, configuration: Configuration, now: int) -> Surroundings:
    facts = gather_facts(root)
    return Surroundings(
        now=now,
        names=frozenset({facts.hostname.lower(), facts.fqdn.lower()}),
        resolv_conf=_content(root / RESOLV_CONF),
        rules=_rules(root) if configuration.scores else None,
        program_fault=_program_fault(root, configuration),
    )


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes() if path.is_file() else b""
    except OSError:
        return b""


def _rules(root: Path) -> frozenset[str] | None:
    """The names in SpamAssassin's rule files; None where it has none of its own here."""
    for base in (root, _SYSTEM):
        shipped = [file for folder in RULE_FOLDERS for file in (base / folder).rglob("*.cf")]
        if shipped:
            own = (root / SPAMASSASSIN).glob("*.cf")
            return frozenset().union(*(mentioned_rules(_content(f)) for f in (*shipped, *own)))
    return None


def _program_fault(root: Path, configuration: Configuration) -> str:
    path = str(configuration.options.values(0)["admin"]["custom_check_path"])
    program = program_path(root, path)
    if not Path(program).is_file():
        return f"{path} does not exist"
    return "" if os.access(program, os.X_OK) else f"{path} is not executable"


def _trial(root: Path, mail: str) -> Iterator[Located]:
    """What the admin's own check of mails makes of a mail, where PMG could not use that."""
    conf = Configuration({PMG_CONF: _content(root / PMG_CONF)}).options
    trial = try_check(root, conf, Path(mail))
    if trial.verdict.fault:
        what = f"custom check of {mail}: {trial.verdict.fault}: PMG {trial.verdict}"
        program = Path(trial.program)
        inside = program.is_relative_to(root)
        path = str(program.relative_to(root)) if inside else trial.program
        yield Located(path, Finding(0, what, mend=trial.verdict.mend), "custom-check")


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--strict", action="store_true", help="end with 3 for a warning, too")
    parser.add_argument("--json", action="store_true", help="for scripts: each finding's parts")
    parser.add_argument(
        "--custom-check",
        metavar="MAIL",
        help="also run the program of admin.custom_check_path on this mail",
    )


def _check(options: argparse.Namespace, place: Place) -> int:
    found = list(check_tree(place.root, SystemClock().now() // 1000))
    if options.custom_check is not None:
        found += _trial(place.root, options.custom_check)
    found.sort(key=lambda located: located.order)
    errors = sum(located.finding.severity is Severity.ERROR for located in found)
    warnings = len(found) - errors
    if options.json:
        listed = [located.to_json() for located in found]
        print_json({"errors": errors, "warnings": warnings, "findings": listed})
    else:
        print("".join(f"{located.text(place.root)}\n" for located in found), end="")
    if not errors and not (warnings and options.strict):
        return ExitCode.FINE
    say(f"pmgsync: found {counted(errors, 'error')} and {counted(warnings, 'warning')}")
    return ExitCode.REJECTED


CHECK = Command(
    about="Read every synced file as PMG does, and say what is wrong, a line for each finding: "
    "FILE:LINE: error or warning: what; the mend. An error is what PMG dies on or drops; a "
    "warning what it takes, but was surely not meant. Secrets are never shown, and nothing is "
    "changed.",
    examples=(
        ("pmgsync check", ""),
        ("pmgsync check --strict && pmgsync run -- ./edit", "warnings count, too"),
        ("pmgsync check --custom-check mail.eml", "try the own check of mails as well"),
        ("pmgsync check --json", ""),
    ),
    run=_check,
    configure=_configure,
    codes=(ExitCode.REJECTED,),
    more="docs/checking.md lists the checks, and why each is there. Exit code 0: no error; 3: an "
    "error, or with --strict a warning.",
)
