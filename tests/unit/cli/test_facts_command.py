"""`pmgsync facts`: where the address comes from, and that what it prints is accepted again."""

import json
from pathlib import Path
from typing import Any

import pytest

from pmgsync.cli.main import main
from pmgsync.model.pmg_node import PmgKeys
from pmgsync.pmgconf.cluster_conf import ClusterConf, ClusterNode, dump_cluster_conf

KEYS = PmgKeys(fingerprint=":".join(["AB"] * 32), host_rsa="A" * 250, root_rsa="B" * 250)
CLUSTER = dump_cluster_conf(
    ClusterConf(
        1,
        2,
        (
            ClusterNode(1, "mail1", "192.0.2.1", KEYS),
            ClusterNode(2, "mail2", "2001:db8::2", KEYS),
        ),
    )
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/pmg").mkdir(parents=True)
    (tmp_path / "etc/hostname").write_text("mail1\n")
    (tmp_path / "etc/resolv.conf").write_text("search example.com\n")
    return tmp_path


def shown(capsys: pytest.CaptureFixture[str], root: Path, given: object = None) -> dict[str, Any]:
    """What `facts --json` says, with `given` as --facts."""
    words = ["facts", "--json", "--root", str(root)]
    if given is not None:
        (root / "given.json").write_text(json.dumps(given))
        words += ["--facts", str(root / "given.json")]
    assert main(words) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def test_cluster_conf_gives_the_address(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "etc/pmg/cluster.conf").write_bytes(CLUSTER)
    assert shown(capsys, root)["address"] == "192.0.2.1"
    assert shown(capsys, root, {"hostname": "mail2"})["address"] == "2001:db8::2"
    assert shown(capsys, root, {"address": "192.0.2.9"})["address"] == "192.0.2.1"


def test_else_the_one_that_is_given(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "etc/pmg/cluster.conf").write_bytes(CLUSTER)
    other = {"hostname": "mail3", "address": "192.0.2.9"}
    assert shown(capsys, root, other)["address"] == "192.0.2.9"
    assert shown(capsys, root, {**other, "address": None})["address"] is None


def test_else_what_the_name_stands_for(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, root, {"hostname": "localhost"})["address"] is None


def test_what_it_prints_is_accepted(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "etc/pmg/cluster.conf").write_bytes(CLUSTER)
    (root / "etc/resolv.conf").write_bytes(b"search caf\xc3\xa9.\xff\n")
    first = shown(capsys, root)
    assert shown(capsys, root, first) == first
    (root / "etc/resolv.conf").unlink()
    assert shown(capsys, root, first) == first


def test_for_a_person(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = {"address": None, "memory_mib": 8192, "routes": ["192.0.2.0/24", "10.0.0.0/8"]}
    (root / "given.json").write_text(json.dumps(given))
    assert main(["facts", "--root", str(root), "--facts", str(root / "given.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["hostname", "mail1"]
    assert lines[1].split() == ["address", "-"]
    assert "search domain       example.com" in lines
    assert "memory              8192 MiB" in lines
    assert lines[-1] == "routes, in order    192.0.2.0/24, 10.0.0.0/8"


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "is not JSON: "),
        ("[1]", "is not a JSON object"),
        ("nul", "is not JSON: "),
        ("[" * 100_000, "is not JSON"),
        ('{"memory_mib": "8192"}', "'memory_mib' is not int"),
        ('{"colour": 1}', "unknown 'colour'"),
    ],
)
def test_facts_that_are_wrong_are_one_line(
    root: Path, capsys: pytest.CaptureFixture[str], content: str, complaint: str
) -> None:
    file = root / "given.json"
    file.write_text(content)
    assert main(["facts", "--root", str(root), "--facts", str(file)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"pmgsync: {file}: ")
    assert complaint in err
    assert err.count("\n") == 1


def test_facts_that_are_not_there(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["facts", "--root", str(root), "--facts", "/nowhere/facts.json"]) == 1
    assert "--facts /nowhere/facts.json: No such file" in capsys.readouterr().err


def test_a_cluster_conf_that_pmg_dies_on(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "etc/pmg/cluster.conf").write_text("node: 1\n\tname mail1\n")
    assert main(["facts", "--root", str(root)]) == 3
    assert "etc/pmg/cluster.conf:1: section 'node: 1'" in capsys.readouterr().err
