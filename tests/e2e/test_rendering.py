"""Three real nodes: what is edited on the master comes to be in the service files of each, with its
own name and address, and only the services whose files changed are told.
"""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster, Node, a_cluster, never, until

MAIN, CLAMD = "etc/postfix/main.cf", "etc/clamav/clamd.conf"
OVERRIDE = "templates/main.cf.in"
REACTIONS = (
    "postfix_reload",
    "clamd_restart",
    "freshclam_restart",
    "filter_restart",
    "filter_reload",
)


def settings(root: Path, mode: str = "on") -> str:
    """Rendering on, and each reaction a word in a file."""
    lines = ["[render]", f'mode = "{mode}"', "[services]"]
    for reaction in REACTIONS:
        lines.append(f'{reaction} = ["sh", "-c", "echo {reaction} >> {root}/told"]')
    return "\n".join(lines)


def a_gateway(cluster: Cluster) -> Node:
    """One more node, with the folders of Postfix and ClamAV."""
    name = f"mail{len(cluster.nodes) + 1}"
    node = cluster.add(name, settings=settings(cluster.folder / name))
    for folder in ("etc/postfix", "etc/clamav"):
        (node.root / folder).mkdir(parents=True)
    node.write("etc/resolv.conf", "search example.com\n")
    return node


@pytest.fixture(scope="module")
def gateways(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with a_cluster(tmp_path_factory.mktemp("gateways")) as cluster:
        for _ in range(3):
            a_gateway(cluster)
        yield cluster.found(3)


def told(node: Node) -> list[str]:
    """The reactions that were carried out, in order."""
    file = node.root / "told"
    return file.read_text().split() if file.exists() else []


def nothing_is_owed(node: Node) -> bool:
    return not (node.root / "var/lib/pmgsync/owed-reactions").exists()


def has(node: Node, path: str, text: str) -> bool:
    return text.encode() in (node.read(path) or b"")


def settled(cluster: Cluster) -> None:
    """All run the newest version, and everybody who had to be told was."""
    cluster.settle()
    for node in cluster.nodes:
        until(partial(nothing_is_owed, node), f"{node.name} to have told all")


def test_each_node_has_files_with_its_own_name_and_address(gateways: Cluster) -> None:
    settled(gateways)
    for node in gateways.nodes:
        until(partial(has, node, MAIN, f"myhostname = {node.name}.example.com"), "its name")
        assert has(node, "etc/postfix/master.cf", node.address)
        assert node.path(CLAMD).exists()
        assert not (node.root / "etc/mail/spamassassin/local.cf").exists(), "not installed"


def test_an_override_changes_main_cf_on_each_node_and_only_postfix_istold(
    gateways: Cluster,
) -> None:
    settled(gateways)
    before = {node.name: (len(told(node)), node.path(CLAMD).stat()) for node in gateways.nodes}
    gateways.master.write(OVERRIDE, "# of [% dns.hostname %] at [% ipconfig.int_ip %]\n")
    for node in gateways.nodes:
        wanted = f"# of {node.name} at {node.address}\n".encode()
        until(partial(node.has, MAIN, wanted), f"main.cf on {node.name}")
    settled(gateways)
    for node in gateways.nodes:
        count, clamd = before[node.name]
        assert told(node)[count:] == ["postfix_reload"]
        now = node.path(CLAMD).stat()
        assert (now.st_ino, now.st_mtime_ns) == (clamd.st_ino, clamd.st_mtime_ns), "untouched"


def test_a_new_domain_tells_nobody_and_touches_no_service_file(gateways: Cluster) -> None:
    settled(gateways)
    before = {node.name: (told(node), node.path(MAIN).stat().st_ino) for node in gateways.nodes}
    gateways.master.write("domains", "example.com 1\nnew.example.com 1\n")
    settled(gateways)
    for node in gateways.nodes:
        assert (told(node), node.path(MAIN).stat().st_ino) == before[node.name]


def test_status_has_the_digest_of_each_service_file_of_each_node(gateways: Cluster) -> None:
    gateways.master.write(OVERRIDE, "# [% dns.fqdn %]\n")
    settled(gateways)
    status = gateways.master.pmgsync("status", "--json").document()["status"]
    digests = {row["name"]: row["rendered"] for row in status["nodes"]}
    for node in gateways.nodes:
        content = node.read(MAIN) or b""
        assert digests[node.name][MAIN] == hashlib.sha256(content).hexdigest()
    assert len({rows[MAIN] for rows in digests.values()}) == 3, "each has its own"
    assert len({rows[CLAMD] for rows in digests.values()}) == 1
    assert {row["applied"] for row in status["nodes"]} == {status["version"]}


def test_a_broken_template_is_refused_by_node_name_and_line_and_mended(gateways: Cluster) -> None:
    settled(gateways)
    before = {node.name: node.read(MAIN) for node in gateways.nodes}
    gateways.master.write(OVERRIDE, "fine\n[% IF pmg.mail.tls %]\nno end\n")
    for node in gateways.nodes:
        until(gateways.is_state(node, "refused"), f"{node.name} to refuse it")
        assert "main.cf.in line" in gateways.state_of(node)["detail"]
        assert node.read(MAIN) == before[node.name]
    lines = gateways.master.pmgsync("status", code=3).out
    assert all(f"{node.name}(" in lines for node in gateways.nodes)
    gateways.master.path(OVERRIDE).unlink()
    settled(gateways)
    for node in gateways.nodes:
        until(partial(has, node, MAIN, f"myhostname = {node.name}.example.com"), "ours again")


def test_an_edited_service_file_is_put_back(gateways: Cluster) -> None:
    settled(gateways)
    node = gateways.nodes[1]
    wanted = node.read(MAIN)
    node.write(MAIN, "edited by hand\n")
    node.stop()
    node.start()
    until(partial(node.has, MAIN, wanted), "it to be put back")
    until(lambda: told(node)[-1:] == ["postfix_reload"], "Postfix to be told")


def test_options_reach_the_files_of_all_nodes(gateways: Cluster) -> None:
    settled(gateways)
    gateways.master.write("pmg.conf", "section: mail\n\tsmarthost 198.51.100.9\n")
    for node in gateways.nodes:
        until(partial(has, node, MAIN, "relayhost = [198.51.100.9]:25"), node.name)
    settled(gateways)


def test_a_mail_server_without_pmg_is_not_taken_over(cluster: Cluster) -> None:
    first = cluster.add(settings=settings(cluster.folder / "mail1", "auto"))
    node = cluster.add(settings=settings(cluster.folder / "mail2", "off"))
    (node.root / "etc/postfix").mkdir()
    node.path("etc/postfix/main.cf").write_text("# the admin's\n")
    (first.root / "etc/postfix").mkdir()
    first.path("etc/postfix/main.cf").write_text("# the admin's\n")
    cluster.found(2)
    never(lambda: not first.has(MAIN, "# the admin's\n"), "it stays", 0.5)
    assert node.has(MAIN, "# the admin's\n")
    assert [row["rendered"] for row in cluster.master.status()["status"]["nodes"]] == [{}, {}]


def test_auto_is_on_where_pmg_is(cluster: Cluster) -> None:
    node = cluster.add(settings=settings(cluster.folder / "mail1", "auto"))
    (node.root / "var/lib/pmg/templates").mkdir(parents=True)
    (node.root / "etc/postfix").mkdir()
    node.path("etc/postfix/main.cf").write_text("# Debian's\n")
    cluster.found(1)
    until(partial(has, node, MAIN, "relay_domains = hash:/etc/pmg/domains"), "ours")
