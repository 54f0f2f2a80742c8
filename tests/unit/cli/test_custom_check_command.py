"""`pmgsync custom-check` with real programs below a root."""

import json
from pathlib import Path

import pytest

from pmgsync.cli.main import main

PROGRAM = "usr/local/bin/pmg-custom-check"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/pmg").mkdir(parents=True)
    (tmp_path / PROGRAM).parent.mkdir(parents=True)
    (tmp_path / "etc/pmg/pmg.conf").write_text("section: admin\n\tcustom_check 1\n")
    (tmp_path / "mail").write_text("Subject: a\n\nb\n")
    return tmp_path


def write(root: Path, text: str, path: str = PROGRAM) -> None:
    (root / path).write_text(f"#!/bin/sh\n{text}\n")
    (root / path).chmod(0o755)


def check(root: Path, *more: str) -> int:
    return main(["custom-check", "--root", str(root), str(root / "mail"), *more])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("echo v1; echo OK", "takes the mail for clean, as far as this check goes"),
        ("echo v1; echo VIRUS: X", "takes the mail for infected with X"),
        ("echo v1; echo SCORE: 2.5", "adds 2.5 to the spam score"),
        ('test "$1" = v1 && echo v1 && grep -q Subject "$2" && echo SCORE: 7', "adds 7 to the"),
    ],
)
def test_a_good_answer(
    root: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    write(root, text)
    assert check(root) == 0
    out, err = capsys.readouterr()
    assert f"PMG      {words}" in out
    assert f"command  {root}/{PROGRAM} v1 {root}/mail" in out
    assert err == ""


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("echo v1; echo fine", "unexpected line: 'fine'; print `v1`, then one result"),
        ("echo v1; echo OK; exit 1", "it ended with exit code 1; end with 0"),
        ("echo v1; sleep 60", "it did not end in time"),
        ("echo OK", "no version; print `v1` as the first line"),
    ],
)
def test_an_answer_that_is_an_error_to_pmg(
    root: Path, capsys: pytest.CaptureFixture[str], text: str, line: str
) -> None:
    write(root, text)
    assert check(root, "--timeout", "1") == 3
    out, err = capsys.readouterr()
    assert "PMG      logs an error and takes the mail as not checked" in out
    assert err.startswith(f"pmgsync: {root}/{PROGRAM}: {line}")
    assert err.count("\n") == 1


def test_stderr_is_what_goes_to_the_log(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, "echo one >&2; printf 'tw\\033o' >&2; echo v1; echo OK")
    assert check(root) == 0
    assert capsys.readouterr().err == "log: one\nlog: tw\\x1bo\n"


def test_a_program_that_is_not_there(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "etc/pmg/pmg.conf").write_text(
        f"section: admin\n\tcustom_check 1\n\tcustom_check_path {root}/opt/none/check\n"
    )
    assert check(root) == 3
    assert f"{root}/opt/none/check: does not exist; put" in capsys.readouterr().err


def test_a_program_that_may_not_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, "echo v1")
    (root / PROGRAM).chmod(0o644)
    assert check(root) == 3
    assert "is not executable; chmod 755" in capsys.readouterr().err


def test_a_path_outside_the_root_is_that_of_the_system(
    root: Path, tmp_path_factory: pytest.TempPathFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path_factory.mktemp("other")
    write(other, "echo v1; echo OK", "check")
    (root / "etc/pmg/pmg.conf").write_text(
        f"section: admin\n\tcustom_check 1\n\tcustom_check_path {other}/check\n"
    )
    assert check(root) == 0
    assert f"command  {other}/check v1" in capsys.readouterr().out


@pytest.mark.parametrize("conf", [None, "section: admin\n\tcustom_check 0\n"])
def test_it_runs_also_where_pmg_does_not_run_it(
    root: Path, capsys: pytest.CaptureFixture[str], conf: str | None
) -> None:
    write(root, "echo v1; echo OK")
    (root / "etc/pmg/pmg.conf").unlink()
    if conf is not None:
        (root / "etc/pmg/pmg.conf").write_text(conf)
    assert check(root) == 0
    err = capsys.readouterr().err
    assert err == "pmgsync: PMG does not run it, as admin.custom_check is 0\n"


def test_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, "echo v1; echo VIRUS: X; echo hello >&2; exit 2")
    assert check(root, "--json") == 3
    document = json.loads(capsys.readouterr().out)
    assert document.pop("seconds") < 60
    assert document == {
        "program": f"{root}/{PROGRAM}",
        "mail": f"{root}/mail",
        "enabled": True,
        "status": 2,
        "output": "v1\nVIRUS: X\n",
        "errors": "hello\n",
        "virus": None,
        "score": None,
        "fault": "it ended with exit code 2",
        "mend": "end with 0",
        "pmg": "logs an error and takes the mail as not checked",
    }


def test_a_mail_that_is_not_there(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "mail").unlink()
    assert check(root) == 1
    assert capsys.readouterr().err.startswith(f"pmgsync: {root}/mail: does not exist; ")
    (root / "mail").mkdir()
    assert check(root) == 1
    assert "is no file" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["0", "-1", "301", "nan", "x"])
def test_a_time_that_pmg_would_not_give(
    root: Path, capsys: pytest.CaptureFixture[str], seconds: str
) -> None:
    assert check(root, f"--timeout={seconds}") == 2
    assert "is no number above 0, 300 at most" in capsys.readouterr().err
