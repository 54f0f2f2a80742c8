"""`pmgsync dump`: bytes on stdout, PMG's warnings on stderr, JSON for scripts."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pmgsync.cli.main import main
from tests.unit.cli.test_facts_command import CLUSTER

MANUAL = Path(__file__).parents[3] / "docs/variables.md"
DEFAULT = Path(__file__).with_name("default_dump.txt")
FACTS = {
    "hostname": "mail1",
    "address": "192.168.2.127",
    "search_domain": None,
    "routes": ["192.168.2.0/24"],
    "memory_mib": 8192,
    "postgres_version": "17",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/pmg").mkdir(parents=True)
    (tmp_path / "facts.json").write_text(json.dumps(FACTS))
    return tmp_path


def dump(root: Path, *more: str) -> int:
    return main(["dump", "--root", str(root), "--facts", str(root / "facts.json"), *more])


def test_the_default_configuration_has_98_lines(
    root: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert dump(root) == 0
    out, err = capfdbinary.readouterr()
    assert out == DEFAULT.read_bytes()
    assert out.count(b"\n") == 98
    assert err == b""


def test_bytes_go_through_as_they_are(
    root: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (root / "etc/pmg/pmg.conf").write_bytes(
        b"section: mail\n\tbanner caf\xe9 \xff\n\tcolour \xe9\n"
    )
    assert dump(root) == 0
    out, err = capfdbinary.readouterr()
    assert b"\npmg.mail.banner = caf\xe9 \xff\n" in out
    assert err == (
        b"file /etc/pmg/pmg.conf line 3 (section 'mail') - unable to parse value of 'colour': "
        b"unknown property type\n"
    )


def test_a_cluster_node_has_the_address_that_cluster_conf_says(
    root: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (root / "etc/pmg/cluster.conf").write_bytes(CLUSTER)
    assert dump(root) == 0
    assert b"\nipconfig.int_ip = 192.0.2.1\n" in capfdbinary.readouterr().out


def test_what_pmg_says_about_cluster_conf_is_said(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "etc/pmg/cluster.conf").write_bytes(CLUSTER.replace(b"\tip", b"\tcolour red\n\tip", 1))
    assert dump(root) == 0
    assert capsys.readouterr().err == (
        "file /etc/pmg/cluster.conf line 4 (section '1') - unable to parse value of 'colour': "
        "unknown property type\n"
    )


def test_json_is_nested_and_has_null_for_undefined(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "etc/pmg/pmg.conf").write_text(f"section: mail\n\tmaxsize {'9' * 400}\n")
    assert dump(root, "--json") == 0
    document = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert document["pmg"]["mail"]["relay"] is None
    assert document["pmg"]["mail"]["int_port"] == 26
    assert document["pmg"]["mail"]["maxsize"] == "Inf"
    assert document["dns"] == {
        "domain": "localdomain",
        "fqdn": "mail1.localdomain",
        "hostname": "mail1",
    }


def test_what_pmg_dies_on_is_an_error(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "etc/pmg/cluster.conf").write_text("node: 1\n\tname mail1\n")
    assert dump(root) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "etc/pmg/cluster.conf:1: " in err


@pytest.mark.parametrize("name", ["pmg.conf", "transport", "mynetworks", "cluster.conf"])
def test_a_folder_in_place_of_a_file_is_one_line(
    root: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (root / "etc/pmg" / name).mkdir()
    assert dump(root) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert f"{root}/etc/pmg/{name}: " in err


def test_the_command_is_quick_to_load() -> None:
    """What makes a start slow is not imported: `grpc`, `asyncio`, `jinja2`, `cryptography`."""
    program = (
        "import sys; from pmgsync.cli import dump_command; "
        "print(sorted({'grpc', 'asyncio', 'jinja2', 'cryptography', 'sqlite3', 'psycopg'} "
        "& sys.modules.keys()))"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert loaded.stdout == b"[]\n"


def test_the_manual_names_every_variable_and_every_fact(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    proxy = "section: admin\n\thttp_proxy http://u:p@h\n\n"
    lists = "section: mail\n\tdnsbl_sites a.example\n"
    (root / "etc/pmg/pmg.conf").write_text(proxy + lists)
    assert dump(root) == 0
    dumped = {line.partition(" = ")[0] for line in capsys.readouterr().out.splitlines()}
    facts, _, named = MANUAL.read_text().partition("## Variables")
    rows = [line.split(" | ")[0] for line in named.splitlines() if line.startswith("| `")]
    names = set(re.findall(r"`([a-z_.]+)`", " ".join(rows)))
    assert names == {name for name in dumped if not name.startswith("pmg.")}
    members = re.findall(r"^\|[^|]*\| `([a-z_]+)` \|", facts, re.MULTILINE)
    assert main(["facts", "--json", "--root", str(root), "--facts", str(root / "facts.json")]) == 0
    assert set(members) == json.loads(capsys.readouterr().out).keys()
