"""Real Postfix looks up on a node what was edited on the master."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, Node, a_cluster, until
from tests.e2e.privileges import lacking

pytestmark = pytest.mark.postfix

MAPS = ("domains", "transport", "tls_policy", "tls_inbound_domains")


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with a_cluster(tmp_path_factory.mktemp("postfix")) as made:
        yield made.found(2)


def look_up(node: Node, name: str, key: str) -> str:
    """What Postfix on that node says, empty for nothing."""
    folder = node.root / "run/postfix-of-the-test"
    folder.mkdir(exist_ok=True)
    (folder / "main.cf").write_text("myhostname = localhost.localdomain\n")
    os.utime(folder / "main.cf", (0, 0))  # Postfix waits for a fresh one to cool down
    done = subprocess.run(
        ["postmap", "-c", str(folder), "-q", key, f"hash:{node.path(name)}"],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )
    return done.stdout.strip()


def answers(node: Node, name: str, key: str, value: str) -> bool:
    return look_up(node, name, key) == value


@pytest.mark.parametrize("name", MAPS)
def test_postfix_on_a_node_answers_for_what_was_added_on_the_master(
    two: Cluster, name: str
) -> None:
    for number in (1, 2):
        line = f"added-{number}.example.org value-{number}\n"
        two.master.write(name, f"{(two.master.read(name) or b'').decode()}{line}")
        for node in two.nodes:
            key, value = line.split()
            until(partial(answers, node, name, key, value), f"{name} on {node.name}")
            assert look_up(node, name, "unknown.example.org") == ""
    two.settle()


def test_a_deleted_source_leaves_an_empty_map(two: Cluster) -> None:
    two.master.write("transport", "gone.example.org smtp:[192.0.2.1]\n")
    for node in two.nodes:
        until(partial(answers, node, "transport", "gone.example.org", "smtp:[192.0.2.1]"), "it")
    two.master.path("transport").unlink()
    for node in two.nodes:
        until(partial(answers, node, "transport", "gone.example.org", ""), "an empty map")
        assert node.path("transport.db").exists()
    two.settle()


def test_a_map_that_was_removed_is_built_again(two: Cluster) -> None:
    two.master.write("domains", "rebuilt.example.org 1\n")
    two.settle()
    for node in two.nodes:
        until(partial(answers, node, "domains", "rebuilt.example.org", "1"), "the first map")
        node.path("domains.db").unlink()
        node.stop()
        node.start()
        until(partial(answers, node, "domains", "rebuilt.example.org", "1"), "the map again")
    two.settle()


def test_the_map_has_the_mode_and_owner_of_its_source(two: Cluster) -> None:
    two.settle()
    for node in two.nodes:
        source, built = node.path("domains").stat(), node.path("domains.db").stat()
        assert (built.st_mode & 0o777, built.st_uid) == (source.st_mode & 0o777, source.st_uid)


REFUSING = """#!/bin/sh
for file; do :; done
if grep -q refuse-me "${file#hash:}"; then
    echo "postmap: fatal: refuse-me is not to my taste"
    exit 1
fi
exec REAL "$@"
"""


@contextmanager
def choosy_postmap(folder: Path) -> Iterator[tuple[str, ...]]:
    """The prefix of a daemon whose `postmap` is the real one, except that it refuses one word."""
    program = shutil.which("postmap", path="/usr/sbin:/usr/bin")
    assert program is not None
    real, choosy = folder / "real-postmap", folder / "choosy-postmap"
    shutil.copy(program, real)
    choosy.write_text(REFUSING.replace("REAL", str(real)))
    choosy.chmod(0o755)
    script = f'mount --bind {choosy} {program} && exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", script, "sh")
    if os.geteuid() != 0 or subprocess.run([*prefix, "true"], check=False).returncode:
        lacking("a postmap of one's own needs root and mount namespaces")
    yield prefix


def test_what_postmap_refuses_is_refused_in_its_words_and_the_next_good_version_heals(
    cluster: Cluster, tmp_path: Path
) -> None:
    with choosy_postmap(tmp_path) as prefix:
        cluster.add()
        node = cluster.add(prefix=prefix)
        cluster.found(2)
        before = node.tree()
        cluster.master.write("domains", "refuse-me.example 1\n")
        cluster.master.write("mynetworks", "198.51.100.0/24\n")
        until(cluster.is_state(node, "refused"), "it to be refused")
        detail = cluster.state_of(node)["detail"]
        assert "etc/pmg/domains: postmap refuses it" in detail
        assert "refuse-me is not to my taste" in detail
        assert node.tree() in (before, {**before, **_only(cluster, "etc/pmg/mynetworks")})
        assert node.leftovers() == []
        assert "refused version" in cluster.master.pmgsync("status", code=3).out
        cluster.master.write("domains", "example.com 1\ngood-again.example 1\n")
        until(partial(answers, node, "domains", "good-again.example", "1"), "the good one")
        cluster.settle()
        assert cluster.master.pmgsync("status").code == 0


def _only(cluster: Cluster, path: str) -> dict[str, str]:
    return {path: cluster.master.tree()[path]}
