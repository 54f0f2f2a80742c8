"""Edits on the master arrive on two other nodes, whole: real daemons, real sockets, real files."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, Node, never, until


@pytest.fixture(autouse=True)
def _level(three: Cluster) -> Iterator[None]:
    """Each test begins and ends with equal trees."""
    three.settle()
    yield
    three.settle()


def arrives(three: Cluster, name: str, content: str | bytes | None, seconds: float = 20.0) -> None:
    for node in three.nodes:
        until(partial(node.has, name, content), f"{name} on {node.name}", seconds)


def test_an_edited_line_arrives(three: Cluster) -> None:
    before = three.version
    three.master.write("domains", "example.com 1\nnew.example.org 1\n")
    arrives(three, "domains", "example.com 1\nnew.example.org 1\n")
    assert three.version == before + 1


def test_an_in_place_writer_is_as_good_as_one_that_renames(three: Cluster) -> None:
    with three.master.path("domains").open("a") as file:
        file.write("appended.example.org 1\n")
    arrives(three, "domains", three.master.read("domains"))
    assert b"appended" in (three.nodes[2].read("domains") or b"")


def test_a_file_that_takes_its_time_to_be_written_travels_when_it_is_closed(three: Cluster) -> None:
    before, old, master = three.version, three.master.read("domains"), three.master
    with master.path("domains").open("w") as file:  # as `make-domains > domains` does
        file.write("half.example.org 1\n")
        file.flush()
        until(lambda: "domains: is being written" in master.attention(), "it to be named")
        assert three.nodes[1].has("domains", old)
        assert three.version == before
        file.write("whole.example.org 1\n")
    arrives(three, "domains", "half.example.org 1\nwhole.example.org 1\n")
    assert three.version == before + 1
    until(lambda: "being written" not in master.attention(), "nothing to be named any more")


def test_a_deleted_file_is_deleted_everywhere(three: Cluster) -> None:
    three.master.write("transport", "example.net smtp:[192.0.2.7]:25\n")
    arrives(three, "transport", "example.net smtp:[192.0.2.7]:25\n")
    three.master.path("transport").unlink()
    arrives(three, "transport", None)


def test_run_makes_one_version_of_a_key_and_the_setting_that_names_it(three: Cluster) -> None:
    before, master = three.version, three.master
    script = (
        f"mkdir -p {master.path('dkim')}; echo key > {master.path('dkim/s1.private')}; sleep 0.3;"
        f" printf 'section: admin\\n\\tdkim_selector s1\\n' >> {master.path('pmg.conf')}"
    )
    done = master.pmgsync("run", "-m", "new key", "--", "sh", "-c", script)
    assert f"version {before + 1}: 2 files, on 3 of 3 nodes" in done.err
    assert three.version == before + 1
    log = three.nodes[1].pmgsync("log", "--json").document()["versions"]
    assert (log[0]["message"], log[0]["puts"]) == ("new key", 2)


def test_five_hundred_files_at_once_arrive(three: Cluster) -> None:
    folder = three.master.path("acme")
    folder.mkdir(exist_ok=True)
    before = three.version
    for number in range(500):
        (folder / f"order-{number:03}.json").write_text(f'{{"order": {number}}}\n' * 20)
    three.settle()
    assert len(list(three.nodes[2].path("acme").glob("order-*"))) == 500
    assert three.version - before < 500  # how many depends on how busy the machine is
    script = f"rm {folder}/order-0*.json"
    three.master.pmgsync("run", "-m", "some fewer", "--", "sh", "-c", script)
    three.settle()
    shutil.rmtree(folder)  # some of them may be seen gone while it still goes on
    held = "version {} is held".format
    until(lambda: held(three.version + 1) in three.master.attention(), "the rest to be held")
    three.master.pmgsync("confirm", str(three.version + 1))


def test_hold_gathers_edits_until_release(three: Cluster) -> None:
    before = three.version
    three.master.pmgsync("hold", "-m", "the new relay")
    three.master.write("mynetworks", "192.0.2.0/24\n198.51.100.0/24\n")
    three.master.write("domains", "example.com 1\nheld.example.org 1\n")
    never(lambda: three.version != before, "published in spite of the hold", 0.5)
    assert "on hold by `pmgsync hold`" in three.master.pmgsync("status").out
    said = three.master.pmgsync("release")
    assert f"version {before + 1}: 2 files, on 3 of 3 nodes" in said.out
    assert three.nodes[1].has("domains", "example.com 1\nheld.example.org 1\n")
    assert "nothing is on hold" in three.master.pmgsync("release", code=1).err
    assert "nothing changed" in three.master.pmgsync("run", "--", "true").err


def test_a_vanished_folder_is_held_and_its_return_ends_that(three: Cluster) -> None:
    before, master = three.version, three.master
    away = master.root / "etc/pmg.away"
    master.path("etc/pmg").rename(away)
    until(lambda: f"version {before + 1} is held" in master.attention(), "it to be held")
    assert "pmg.conf too" in master.attention()
    assert three.version == before
    assert three.nodes[1].has("mynetworks", (away / "mynetworks").read_bytes())
    assert three.nodes[1].tree() == three.nodes[2].tree()
    away.rename(master.path("etc/pmg"))
    until(lambda: "is held" not in master.attention(), "nothing to be held any more")
    assert three.version == before


def test_an_emptied_folder_goes_once_it_is_confirmed(three: Cluster) -> None:
    master = three.master
    aside = master.root / "aside"
    shutil.copytree(master.path("etc/pmg"), aside, dirs_exist_ok=True)
    subprocess.run(["sh", "-c", f"rm -rf {master.path('etc/pmg')}/*"], check=True)
    until(lambda: "pmg.conf too" in master.attention(), "it to be held")
    assert three.nodes[1].has("pmg.conf", (aside / "pmg.conf").read_bytes())
    said = master.pmgsync("confirm", str(three.version + 1))
    assert "on 3 of 3 nodes" in said.out
    # `cluster.conf` is the membership's, and put back where it is missing.
    assert three.nodes[2].tree().keys() <= {"etc/pmg/cluster.conf"}
    shutil.copytree(aside, master.path("etc/pmg"), dirs_exist_ok=True)
    shutil.rmtree(aside)
    arrives(three, "pmg.conf", master.read("pmg.conf"))


def test_a_deleted_pmg_conf_goes_once_it_is_confirmed(three: Cluster) -> None:
    before, master = three.version, three.master
    content = master.read("pmg.conf") or b""
    master.path("pmg.conf").unlink()
    until(lambda: "it would delete etc/pmg/pmg.conf" in master.attention(), "it to be held")
    assert "confirm" in master.pmgsync("status", code=3).out
    wrong = master.pmgsync("confirm", str(before + 7), code=1)
    assert f"{before + 1} is" in wrong.err
    said = master.pmgsync("confirm", str(before + 1))
    assert "on 3 of 3 nodes" in said.out
    assert three.nodes[2].has("pmg.conf", None)
    master.write("pmg.conf", content)
    arrives(three, "pmg.conf", content)


def test_a_file_of_64_mib_arrives(three: Cluster) -> None:
    data = os.urandom(1 << 20) * 64
    three.master.write("acme/large.bin", data, 0o600)
    arrives(three, "acme/large.bin", data, seconds=40)
    three.master.path("acme/large.bin").unlink()
    arrives(three, "acme/large.bin", None)


def test_two_changes_of_equal_size_within_a_second_are_two_changes(three: Cluster) -> None:
    before = three.version
    seen: set[bytes] = set()
    for word in (b"aaaa", b"bbbb", b"cccc"):
        content = b"%s.example.org 1\n" % word
        three.master.path("domains").write_bytes(content)
        arrives(three, "domains", content)
        seen.add(three.nodes[1].read("domains") or b"")
    assert len(seen) == 3
    assert three.version >= before + 3


def test_equal_size_and_equal_times_are_two_changes_as_well(three: Cluster) -> None:
    path = three.master.path("domains")
    path.write_bytes(b"1111.example.org 1\n")
    times = path.stat()
    arrives(three, "domains", b"1111.example.org 1\n")
    path.write_bytes(b"2222.example.org 1\n")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    arrives(three, "domains", b"2222.example.org 1\n")


def test_leavings_of_editors_never_travel(three: Cluster) -> None:
    before = three.version
    leavings = (
        "domains~",
        ".domains.swp",
        "#domains#",
        "4913",
        "pmg.conf.tmp.4711",
        "x.db",
        ".hidden",
    )
    for name in leavings:
        for folder in ("", "templates/"):
            three.master.path("templates").mkdir(exist_ok=True)
            three.master.path(folder + name).write_text("leaving")
    for name in ("pmg-api.pem", "subscription", "no-such-file-in-the-table"):
        three.master.path(name).write_text("never synced")
    three.master.write("domains", "example.com 1\nafter-the-leavings.example 1\n")
    arrives(three, "domains", "example.com 1\nafter-the-leavings.example 1\n")
    assert three.version == before + 1
    for node in three.nodes[1:]:
        for name in (*leavings, "pmg-api.pem", "subscription", "no-such-file-in-the-table"):
            assert not node.path(name).exists()
            assert not node.path(f"templates/{name}").exists()
    for name in leavings:  # vim asks what to do about a swap file
        three.master.path(name).unlink()


def test_modes_and_owners_are_those_of_the_table_whatever_they_were(three: Cluster) -> None:
    three.master.write("tfa.json", "{}", 0o666)
    three.master.write("dkim/s2.private", "key", 0o644)
    three.master.write("templates/main.cf.in", "x", 0o600)
    three.settle()
    wanted = {"tfa.json": 0o600, "dkim/s2.private": 0o640, "templates/main.cf.in": 0o644}
    for node in three.nodes[1:]:
        for name, mode in wanted.items():
            seen = node.path(name).stat()
            assert (seen.st_mode & 0o7777, seen.st_uid) == (mode, os.geteuid())


def test_what_vim_writes_travels(three: Cluster) -> None:
    editor = shutil.which("vim")
    if editor is None:
        pytest.skip("vim is not installed")
    path = three.master.path("domains")
    subprocess.run(
        [editor, "-u", "NONE", "-es", "-c", "normal Goby-vim.example 1", "-c", "wq", str(path)],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=20,
    )
    assert b"by-vim" in path.read_bytes()
    arrives(three, "domains", path.read_bytes())


@pytest.mark.parametrize("how", ["cp", "tar", "mv"])
def test_a_folder_that_arrives_and_is_written_into_travels(
    three: Cluster, tmp_path: Path, how: str
) -> None:
    source = tmp_path / f"site-{how}"
    (source / "deep").mkdir(parents=True)
    (source / "one.tt").write_text(f"one by {how}")
    (source / "deep/two.tt").write_text(f"two by {how}")
    target = three.master.path("templates")
    target.mkdir(exist_ok=True)
    _bring(how, source, target)
    for number in range(20):
        (target / source.name / f"deep/later-{number}.tt").write_text(f"{how} {number}")
    arrives(three, f"templates/{source.name}/deep/later-19.tt", f"{how} 19")
    arrives(three, f"templates/{source.name}/one.tt", f"one by {how}")
    (target / source.name / "deep/two.tt").write_text("written later still")
    arrives(three, f"templates/{source.name}/deep/two.tt", "written later still")


def _bring(how: str, source: Path, target: Path) -> None:
    if how == "mv":
        source.rename(target / source.name)
    elif how == "cp":
        subprocess.run(["cp", "-r", source, target], check=True)
    else:
        packed = subprocess.run(
            ["tar", "-C", source.parent, "-c", source.name], check=True, capture_output=True
        )
        subprocess.run(["tar", "-C", target, "-x"], input=packed.stdout, check=True)


def test_log_and_show_say_on_a_node_what_the_master_published(three: Cluster) -> None:
    three.master.pmgsync(
        "run", "-m", "one domain more", "--", "sh", "-c",
        f"echo 'shown.example 1' >> {three.master.path('domains')}",
    )  # fmt: skip
    three.settle()
    node = three.nodes[2]
    newest = three.version
    assert "one domain more" in node.pmgsync("log").out.splitlines()[1]
    shown = node.pmgsync("show", str(newest), "--diff").out
    assert "+shown.example 1" in shown
    assert "changed" in shown
    document = node.pmgsync("show", str(newest), "--json").document()
    assert [file["path"] for file in document["files"]] == ["etc/pmg/domains"]
    assert node.pmgsync("show", "99999", code=1).err.count("\n") == 1


def test_row_14_neither_show_nor_a_log_has_a_secret(three: Cluster) -> None:
    three.master.write("dkim/s9.private", "TOPSECRETKEY\n")
    three.settle()
    text = three.nodes[1].pmgsync("show", str(three.version), "--diff").out
    assert "s9.private" in text
    assert "TOPSECRET" not in text
    for node in three.nodes:
        assert "TOPSECRET" not in node.log_text()


def test_status_on_every_node_is_the_same_table(three: Cluster) -> None:
    for node in three.nodes:
        answer = node.pmgsync("status", "--json").document()
        states = [row["state"] for row in answer["status"]["nodes"]]
        assert states == ["in sync"] * 3
        assert answer["status"]["version"] == three.version
        text = node.pmgsync("status").out
        assert all(f"{other.name}(" in text for other in three.nodes)
        assert text.count("in sync") == 3


def test_what_belongs_to_the_master_says_so_on_a_node(three: Cluster) -> None:
    for words in (["join-cmd"], ["hold"], ["release"], ["run", "--", "true"], ["confirm", "9"]):
        said = three.nodes[1].pmgsync(*words, code=None)
        assert said.code == 6, words
        assert "mail1(1)" in said.err
        assert said.err.count("\n") == 1


def test_exit_codes_are_those_of_the_table(three: Cluster, tmp_path: Path) -> None:
    master = three.master
    assert master.pmgsync("nonsense", code=2).err.count("\n") == 1
    master.pmgsync("confirm", str(three.version + 1), code=1)
    master.pmgsync("run", "--", "sh", "-c", "exit 9", code=9)
    master.pmgsync("run", "--", "/no/such/program", code=127)
    assert master.pmgsync("create", code=1).err.count("\n") == 1
    nobody = Node("nobody", "127.0.0.1", tmp_path)
    assert "not running" in nobody.pmgsync("status", code=1).err


def test_a_mebibyte_read_during_two_hundred_changes_is_never_torn(three: Cluster) -> None:
    """The reader knows each whole content; anything else that it sees is torn, empty or short."""
    contents = [bytes([number]) * (1 << 20) for number in range(200)]
    wanted = {hashlib.sha256(content).digest() for content in contents}
    node, name = three.nodes[1], "acme/read-me"
    three.master.write(name, contents[0])
    arrives(three, name, contents[0])
    seen: set[bytes] = set()
    for content in contents[1:]:
        three.master.write(name, content)
        seen |= {hashlib.sha256(node.path(name).read_bytes()).digest() for _ in range(4)}
        if content[0] % 10 == 0:
            until(lambda: _digest(node, name, seen) == hashlib.sha256(content).digest(), "it")  # noqa: B023
    until(lambda: _digest(node, name, seen) == hashlib.sha256(contents[-1]).digest(), "the last")
    assert seen <= wanted
    assert len(seen) > 10
    three.master.path(name).unlink()


def _digest(node: Node, name: str, seen: set[bytes]) -> bytes:
    seen.add(hashlib.sha256(node.path(name).read_bytes()).digest())
    return hashlib.sha256(node.path(name).read_bytes()).digest()
