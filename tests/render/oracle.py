"""The real Template Toolkit, to compare with: one long-lived Perl process for all cases."""

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from pmgsync.render.adopting import adopted
from pmgsync.render.compile import Templates
from pmgsync.render.errors import TemplateError
from pmgsync.render.tt2.options import Options

SCRIPT = Path(__file__).with_name("oracle.pl")


@dataclass(frozen=True)
class Case:
    """A template, and what it may call and read."""

    template: str
    variables: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What came out: an output, or an error."""

    output: str | None
    error: str | None = None

    def agrees(self, other: "Answer") -> bool:
        """The same output, or an error on both sides."""
        return self.output == other.output


CRASHED = Answer(None, "Perl crashed")


def ours(case: Case, now: float = 0.0) -> Answer:
    """What pmgsync makes of it; time stands still, so that only steps count."""
    files = {**case.files, "t": case.template}

    def lookup(name: str) -> bytes | None:
        return files[name].encode("latin-1") if name in files else None

    try:
        options = Options(**case.options)
        output = Templates(options).render("t", case.variables, lookup, lambda: now)
    except TemplateError as error:
        return Answer(None, str(error))
    return Answer(output.decode("latin-1"))


class TemplateToolkit:
    """The process. One question, one answer."""

    def __init__(self) -> None:
        self._process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        self._files: dict[str, str] | None = None  # what the process has; the same for most cases
        return subprocess.Popen(
            ["perl", str(SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "PERL_HASH_SEED": "0"},
        )

    def ask(self, case: Case) -> Answer:
        """What the toolkit makes of it."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        question: dict[str, Any] = {
            "name": "t",
            "template": case.template,
            "vars": adopted(case.variables),
            "options": case.options,
        }
        if case.files != self._files:
            question["files"] = self._files = case.files
        stdin.write(json.dumps(question).encode("ascii") + b"\n")
        stdin.flush()
        line = stdout.readline()
        if not line:  # Perl itself crashed; the toolkit's XS code can do that
            self._process.communicate()
            self._process = self._start()
            return CRASHED
        answer = json.loads(line.decode("latin-1"))
        return Answer(answer.get("output"), answer.get("error"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self._process.communicate(timeout=30)
