"""A gateway's files in a folder, and `pmgsync` run on them inside the test's own process."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pmgsync.cli.main import main

NOT_PMGS = re.compile(r"pmgsync: etc/\S+: no (user|group) '\w+' on this machine; .*\n")
"""Said where this machine has not the users that a gateway has."""


class Gateway:
    """`run` gives exit code, stdout and stderr; `listed` what `list --json` says."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.capsys = capsys
        for folder in ("etc/pmg/dkim", "etc/mail/spamassassin", "var/lock"):
            (root / folder).mkdir(parents=True)
        (root / "etc/hostname").write_text("mail1\n")

    def run(self, *words: str) -> tuple[int, str, str]:
        self.capsys.readouterr()
        code = main([*words, "--root", str(self.root)])
        out, err = self.capsys.readouterr()
        assert "Traceback" not in err
        said = [line for line in err.splitlines(keepends=True) if not NOT_PMGS.fullmatch(line)]
        return int(code), out, "".join(said)

    def fine(self, *words: str) -> str:
        """What it prints to stdout, as it succeeds."""
        code, out, err = self.run(*words)
        assert code == 0, err
        return out

    def listed(self, command: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = json.loads(self.fine(command, "list", "--json"))["entries"]
        return entries

    def refused(self, *words: str) -> tuple[int, str]:
        """Exit code and the one line on stderr; no file is changed."""
        before = self.files()
        code, out, err = self.run(*words)
        assert (out, self.files()) == ("", before)
        assert code != 0
        assert len(err.splitlines()) == 1, err
        return code, err.strip()

    def files(self) -> dict[str, bytes]:
        paths = (self.root / "etc").rglob("*")
        return {
            str(path.relative_to(self.root)): path.read_bytes() for path in paths if path.is_file()
        }

    def text(self, path: str) -> str:
        return (self.root / path).read_text()

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)
