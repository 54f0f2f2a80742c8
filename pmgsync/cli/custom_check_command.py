"""`pmgsync custom-check`: an admin's own check of mails, tried as PMG's filter would run it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pmgsync.cli.command import Command, Place, print_json, say
from pmgsync.errors import ExitCode, HostError, OperatorError
from pmgsync.host.custom_check import CheckRun, run_check
from pmgsync.model.paths import printable
from pmgsync.model.scope import PMG_CONF
from pmgsync.pmgconf.custom_check import TIMEOUT_S, VERSION, Verdict, lines_of, verdict_of
from pmgsync.pmgconf.pmg_conf import PmgConf, parse_pmg_conf

if TYPE_CHECKING:
    import argparse


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of the program that `pmg.conf` names, and what PMG makes of it."""

    program: str
    mail: str
    is_on: bool
    run: CheckRun
    verdict: Verdict


def try_check(root: Path, conf: PmgConf, mail: Path, timeout: float = TIMEOUT_S) -> Trial:
    """Run the program of `conf` on `mail`; `OperatorError` where there is no such mail."""
    if not mail.is_file():
        what = "is no file" if mail.exists() else "does not exist"
        raise OperatorError(what, where=str(mail), mend="give a file with a mail in it")
    admin = conf.values(0)["admin"]
    program, path = program_path(root, str(admin["custom_check_path"])), str(mail.absolute())
    try:
        run = run_check(program, VERSION, path, timeout=timeout)
        verdict = verdict_of(bytes(run.output), run.status)
    except HostError as error:
        run, verdict = CheckRun(), Verdict(fault=error.what, mend=error.mend)
    return Trial(program, path, bool(admin["custom_check"]), run, verdict)


def program_path(root: Path, path: str) -> str:
    """The program below the root where it exists there, else that of the running system."""
    below = root / path.removeprefix("/")
    return str(below) if below.exists() else path


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("mail", metavar="MAIL", help="a file with a whole mail in it")
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        default=TIMEOUT_S,
        help=f"end the program after so long; PMG does after {TIMEOUT_S} s (default)",
    )
    parser.add_argument("--json", action="store_true", help="for scripts")


def _seconds(text: str) -> float:
    import argparse

    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= TIMEOUT_S:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0, {TIMEOUT_S} at most")
    return seconds


def _custom_check(options: argparse.Namespace, place: Place) -> int:
    file = place.root / PMG_CONF
    try:
        conf = parse_pmg_conf(file.read_bytes())
    except FileNotFoundError:
        conf = parse_pmg_conf(b"")
    trial = try_check(place.root, conf, Path(options.mail), options.timeout)
    if options.json:
        print_json(_document(trial))
    else:
        _show(trial)
    return ExitCode.REJECTED if trial.verdict.fault else ExitCode.FINE


def _show(trial: Trial) -> None:
    for line in trial.run.errors.decode("utf-8", "replace").splitlines():
        say(f"log: {printable(line)}")
    print(f"command  {printable(trial.program)} {VERSION} {printable(trial.mail)}")
    print(f"answer   {' / '.join(map(printable, lines_of(bytes(trial.run.output)))) or 'none'}")
    print(f"PMG      {trial.verdict}")
    sys.stdout.flush()
    if trial.verdict.fault:
        say(f"pmgsync: {trial.program}: {trial.verdict.fault}; {trial.verdict.mend}")
    if not trial.is_on:
        say("pmgsync: PMG does not run it, as admin.custom_check is 0")


def _document(trial: Trial) -> dict[str, object]:
    return {
        "program": trial.program,
        "mail": trial.mail,
        "enabled": trial.is_on,
        "status": trial.run.status,
        "seconds": round(trial.run.seconds, 3),
        "output": trial.run.output.decode("utf-8", "surrogateescape"),
        "errors": trial.run.errors.decode("utf-8", "surrogateescape"),
        "virus": trial.verdict.virus or None,
        "score": trial.verdict.score,
        "fault": trial.verdict.fault or None,
        "mend": trial.verdict.mend or None,
        "pmg": str(trial.verdict),
    }


CUSTOM_CHECK = Command(
    about="Run the program of admin.custom_check_path on a mail as PMG's filter would: with the "
    "arguments `v1` and the mail's file, for 5 minutes at most, what it prints to stderr going to "
    "the log. Then say what PMG would make of the answer. It is run here whether "
    "admin.custom_check is on or not.",
    examples=(
        ("pmgsync custom-check /tmp/mail.eml", ""),
        ("pmgsync custom-check --timeout 10 mail.eml", "be less patient than PMG"),
    ),
    run=_custom_check,
    configure=_configure,
    codes=(ExitCode.REJECTED,),
    more="The answer is two lines: `v1`, then `OK`, `VIRUS: NAME` or `SCORE: NUMBER`. Anything "
    "else, and an exit code other than 0, is an error (exit code 3).",
)
