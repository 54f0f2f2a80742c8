"""Joining without a token: two fingerprints and a word, between real daemons."""

import os
import pty
import signal
import subprocess
import threading
from typing import Any

import pytest

from tests.e2e.cluster import PATIENCE, Cluster, Node, environment, until


def members(node: Node) -> dict[str, dict[str, Any]]:
    """What `pmgsync members` says there, by name."""
    document = node.pmgsync("members", "--json").document()
    return {member["name"]: member for member in document["members"]}


class Asking:
    """`pmgsync join` without a token, as it runs. What it says goes to a file."""

    def __init__(self, node: Node, master: Node, *words: str) -> None:
        self.said = node.root.parent / f"{node.name}.asking"
        with self.said.open("wb") as output:
            self.process = subprocess.Popen(
                node.command("join", master.address, *words),
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def text(self) -> str:
        return self.said.read_text()

    def ended(self) -> int:
        return self.process.wait(PATIENCE)


def waiting(master: Node) -> list[dict[str, Any]]:
    """Who waits to be let in."""
    found: list[dict[str, Any]] = master.pmgsync("approve", "--json").document()["requests"]
    return found


def master_fingerprint(master: Node) -> str:
    return str(master.pmgsync("approve", "--json").document()["fingerprint"])


@pytest.fixture
def pair(cluster: Cluster) -> Cluster:
    """A founded master, and a node that has not joined yet."""
    cluster.found(1)
    cluster.add().start()
    return cluster


def test_a_node_without_a_token_waits_to_be_approved(pair: Cluster) -> None:
    master, node = pair.nodes
    shown = master_fingerprint(master)
    assert shown == members(master)[master.name]["fingerprint"]
    asking = Asking(node, master, "--fingerprint", shown.lower())
    until(lambda: waiting(master), "it to wait")
    (request,) = waiting(master)
    assert shown in asking.text
    assert request["fingerprint"] in asking.text
    assert (request["name"], request["address"]) == (node.name, node.address)
    assert "asks to join; `pmgsync approve`" in master.pmgsync("status").out
    assert "belongs to no cluster" in node.pmgsync("status", code=1).out
    assert len(members(master)) == 1
    # Without a terminal somebody has to have compared it.
    assert "give --fingerprint" in master.pmgsync("approve", node.name, code=2).err
    wrong = "A" * 24
    said = master.pmgsync("approve", node.name, "--fingerprint", wrong, code=1)
    assert "has another fingerprint than that" in said.err
    assert asking.process.poll() is None
    done = master.pmgsync("approve", node.name, "--fingerprint", request["fingerprint"])
    assert f"{node.name}(2) is a member now" in done.out
    assert asking.ended() == 0
    assert "joined cluster" in asking.text
    pair.settle()
    assert members(node)[node.name]["fingerprint"] == request["fingerprint"]
    assert waiting(master) == []


def test_ctrl_c_and_the_end_of_the_daemon_withdraw_the_request(pair: Cluster) -> None:
    master, node = pair.nodes
    shown = master_fingerprint(master)
    asking = Asking(node, master, "--fingerprint", shown)
    until(lambda: waiting(master), "it to wait")
    asking.process.send_signal(signal.SIGINT)
    assert asking.ended() == 130
    until(lambda: not waiting(master), "it to be withdrawn")
    asking = Asking(node, master, "--fingerprint", shown)
    until(lambda: waiting(master), "it to wait")
    node.kill()
    until(lambda: not waiting(master), "it to be withdrawn")
    assert asking.ended() == 1
    assert "Traceback" not in asking.text
    node.start()
    assert len(members(master)) == 1


def test_who_is_refused_is_told_so_and_a_wrong_fingerprint_withdraws(pair: Cluster) -> None:
    master, node = pair.nodes
    asking = Asking(node, master, "--fingerprint", master_fingerprint(master))
    until(lambda: waiting(master), "it to wait")
    assert "refused 1 request" in master.pmgsync("approve", node.name, "--refuse").out
    assert asking.ended() == 1
    assert "the admin of the master has refused it" in asking.text
    asking = Asking(node, master, "--fingerprint", "A" * 24)
    assert asking.ended() == 1
    assert "has another fingerprint than that, so the request is withdrawn" in asking.text
    assert waiting(master) == []
    assert "nobody waits" in master.pmgsync("approve", node.name, "--refuse", code=1).err
    assert "belongs to no cluster" in node.pmgsync("status", code=1).out
    said = node.pmgsync("join", master.address, code=2)
    assert "somebody has to compare the master's fingerprint" in said.err


def test_only_so_many_wait_at_once(pair: Cluster) -> None:
    master, node = pair.nodes
    shown = master_fingerprint(master)
    more = [pair.add().start() for _ in range(2)]
    asking = [Asking(one, master, "--fingerprint", shown) for one in (node, more[0])]
    until(lambda: len(waiting(master)) == 2, "two to wait")
    third = Asking(more[1], master, "--fingerprint", shown)  # all from one address here
    assert third.ended() == 1
    assert "too many wait to join already" in third.text
    pair.join(more[1])  # a token has its own way
    for one in asking:
        one.process.send_signal(signal.SIGINT)
        one.ended()
    until(lambda: not waiting(master), "all to be gone")


def test_on_a_terminal_both_sides_are_asked(pair: Cluster) -> None:
    master, node = pair.nodes
    typed: list[str] = []

    def approve() -> None:
        until(lambda: waiting(master), "it to wait")
        typed.append(on_a_terminal(master.command("approve", node.name), "Type yes: ", "yes"))

    approving = threading.Thread(target=approve)
    approving.start()
    said = on_a_terminal(node.command("join", master.address), "Type yes: ", "yes")
    approving.join()
    assert "joined cluster" in said
    assert master_fingerprint(master) in said
    assert f"{node.name}(2) is a member now" in typed[0]
    pair.settle()
    other = pair.add().start()
    said = on_a_terminal(other.command("join", master.address), "Type yes: ", "y")
    assert "the request is withdrawn" in said
    until(lambda: not waiting(master), "it to be gone")


def on_a_terminal(words: list[str], question: str, answer: str) -> str:
    """Run it on a terminal and answer the question; all that was shown."""
    terminal, end = pty.openpty()
    process = subprocess.Popen(words, env=environment(), stdin=end, stdout=end, stderr=end)
    os.close(end)
    shown, answered = b"", False
    while True:
        try:
            shown += os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if question.encode() in shown and not answered:
            answered = True
            os.write(terminal, f"{answer}\n".encode())
    os.close(terminal)
    process.wait(PATIENCE)
    assert b"Traceback" not in shown
    return shown.decode()
