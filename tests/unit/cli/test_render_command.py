"""`pmgsync render`, from its arguments to its output."""

import hashlib
import json
from pathlib import Path

import pytest

from pmgsync.cli.main import main


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "v.json").write_text(json.dumps({"name": "mail", "size": 3, "é": "ü"}), "utf-8")
    return tmp_path


def render(folder: Path, *arguments: str) -> int:
    path = f"{folder}/none:{folder}"
    return main(["render", "--template-path", path, "--root", str(folder), *arguments])


def test_the_output_is_bytes_on_stdout(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (folder / "t").write_bytes(b"[% name %] [% size * 2 %] \xff [% ${'\xc3\xa9'} %]\n")
    assert render(folder, "t", "--vars", f"{folder}/v.json") == 0
    assert capfdbinary.readouterr() == (b"mail 6 \xff \xc3\xbc\n", b"")


def test_a_parse_option_applies(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (folder / "t").write_bytes(b"[% name %]\n.\n")
    assert render(folder, "t", "--vars", f"{folder}/v.json", "--option", "POST_CHOMP=1") == 0
    assert capfdbinary.readouterr().out == b"mail.\n"


def test_templates_call_each_other(folder: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    (folder / "t").write_bytes(b"[% INCLUDE sub/part x=1 %]")
    (folder / "sub").mkdir()
    (folder / "sub/part").write_bytes(b"<[% x %][% name %]>")
    assert render(folder, "t", "--vars", f"{folder}/v.json") == 0
    assert capfdbinary.readouterr().out == b"<1mail>"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (b"a\n[% IF %]", "t line 2: parse error: unexpected end of directive: [% IF %]"),
        (b"\n\n[% x = 1 / 0 %]", "t line 3: undef error - Illegal division by zero"),
        (b"[% INCLUDE missing %]", "t line 1: file error - missing: not found"),
        (b"[% INCLUDE '../x' %]", "t line 1: file error - ../x: relative paths are not allowed"),
        (b"[% INSERT /etc/passwd %]", "t line 1: file error - /etc/passwd: absolute paths"),
    ],
)
def test_an_error_is_one_line_and_no_output(
    template: bytes, said: str, folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (folder / "t").write_bytes(template)
    assert render(folder, "t", "--vars", f"{folder}/v.json") == 3
    out, err = capfdbinary.readouterr()
    assert out == b""
    assert err.decode().startswith(f"pmgsync: {said}")
    assert err.count(b"\n") == 1


def test_for_scripts_the_output_is_a_member_of_an_object(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (folder / "t").write_bytes(b"[% name %]\xff\xc3\xbc\n")
    assert render(folder, "t", "--vars", f"{folder}/v.json", "--json") == 0
    document = json.loads(capfdbinary.readouterr().out)
    output = document["output"].encode("utf-8", "surrogateescape")
    assert output == b"mail\xff\xc3\xbc\n"
    assert document["digest"] == hashlib.sha256(output).hexdigest()
    assert (document["template"], document["file"]) == ("t", str(folder / "t"))


def test_half_of_a_character_is_refused(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (folder / "t").write_bytes(b"[% a %]")
    (folder / "half.json").write_bytes(b'{"a": "x\\ud800"}')
    assert render(folder, "t", "--vars", f"{folder}/half.json") == 3
    assert b"\\ud800 is half of a character" in capfdbinary.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["none", "--vars", "v.json"], 3),
        (["../v.json", "--vars", "v.json"], 3),
        (["v.json", "--vars", "t"], 3),
        (["v.json", "--vars", "missing"], 1),
        (["v.json", "--vars", "v.json", "--option", "NO=1"], 2),
        (["v.json", "--vars", "v.json", "--option", "PRE_CHOMP=9"], 2),
        (["v.json", "--vars", "v.json", "--option", "PRE_CHOMP"], 2),
        (["v.json", "--vars", "v.json", "--facts", "v.json"], 2),
        (["v.json", "--vars", "v.json", "--template-path", ":"], 2),
        (["v.json", "--vars", "v.json", "--option", "TAG_STYLE=none"], 2),
        (["v.json", "--vars", "v.json", "--option", "START_TAG=("], 2),
    ],
)
def test_what_is_wrong_on_the_command_line_is_said(
    arguments: list[str], code: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "t").write_bytes(b"[1]")
    monkeypatch.chdir(folder)
    assert render(folder, *arguments) == code


def test_without_vars_the_nodes_own_are_used(
    folder: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    templates = folder / "etc/pmg/templates"
    templates.mkdir(parents=True)
    (templates / "t").write_bytes(b"[% pmg.mail.smarthostport %][% IF pmg.mail.tls %]tls[% END %]")
    (folder / "etc/pmg/pmg.conf").write_text("section: mail\n\ttls 1\n\tsmarthostport 26\n")
    facts = folder / "facts.json"
    facts.write_text("{}")
    assert main(["render", "t", "--root", str(folder), "--facts", str(facts)]) == 0
    assert capfdbinary.readouterr().out == b"26tls"
