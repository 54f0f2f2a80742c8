"""A node in memory behind the real `ControlServer`, and the real command line as a subprocess.

`FakeNode` answers as a small cluster would. `Served` runs a server with its loop in a thread, as
the daemon does; `pmgsync` starts the command with the interpreter that runs the tests.
"""

import asyncio
import os
import pty
import subprocess
import sys
import termios
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from pmgsync.cli.answers import (
    ARRIVED,
    LIVE,
    Arrival,
    NodeInfo,
    Release,
    ShownFile,
    ShownVersion,
    StatusAnswer,
)
from pmgsync.cli.control_client import SOCKET
from pmgsync.cli.member_answers import (
    FiledAnswer,
    FormerLine,
    LinkLine,
    MemberLine,
    MembersAnswer,
    RequestLine,
    RequestsAnswer,
    TokenLine,
)
from pmgsync.errors import NotMemberError, OperatorError, UsageError
from pmgsync.model.status import ClusterStatus, NodeState, NodeStatus
from pmgsync.wire.control import ControlServer

REPOSITORY = Path(__file__).parents[2]
NOW = 1_770_000_000_000
DEADLINE = 10.0

T = TypeVar("T")


def node_status(cid: int, state: NodeState = NodeState.IN_SYNC, **more: object) -> NodeStatus:
    """Node `mailN` with address 192.0.2.N."""
    values: dict[str, Any] = {
        "cid": cid,
        "name": f"mail{cid}",
        "address": f"192.0.2.{cid}",
        "role": "master" if cid == 1 else "node",
        "state": state,
        "applied": 14,
        "wanted": 14,
        "lag_ms": 0,
        "last_contact": NOW - 200,
    }
    values.update(more)
    return NodeStatus(**values)


def cluster_status(*nodes: NodeStatus, **more: object) -> ClusterStatus:
    """A cluster of these nodes, at version 14."""
    values: dict[str, Any] = {
        "cluster": "4f1cdd54f2f09f24",
        "epoch": 1,
        "version": 14,
        "manifest": "ab" * 32,
        "files": 137,
        "published": NOW - 3_000,
        "as_of": NOW,
        "nodes": nodes,
    }
    values.update(more)
    return ClusterStatus(**values)


def status_answer(status: ClusterStatus | None, **more: object) -> StatusAnswer:
    """What mail1 would answer."""
    node = NodeInfo("mail1", 1, "master", "0.1.0", 4711, 60_000, 14)
    values: dict[str, Any] = {"status": status, "source": LIVE, "age_ms": 0, "node": node}
    values.update(more)
    return StatusAnswer(**values)


def members_answer() -> MembersAnswer:
    """Three members, the last of them not joined, and one who left."""
    first, later = LinkLine(1, 1, NOW, ("mail1(1)",)), LinkLine(1, 3, None, ("mail1(1)",))
    prints = ["-".join([letter * 4] * 6) for letter in "AB"]
    return MembersAnswer(
        cluster="4f1cdd54f2f09f24",
        link=later,
        recovery="ee" * 32,
        members=(
            MemberLine(
                1, "mail1", "192.0.2.1", 7643, "master", first, prints[0], "11" * 32, "12" * 32
            ),
            MemberLine(
                2, "mail2", "192.0.2.2", 7643, "node", later, prints[1], "21" * 32, "22" * 32
            ),
            MemberLine(4, "mail4", "192.0.2.4", 7643, "node", first, None, None, None),
        ),
        former=(FormerLine(3, "mail3"),),
    )


class FakeNode:
    """Answers from what a test put into it, and writes down what it was asked."""

    def __init__(self) -> None:
        self.documents: dict[str, Mapping[str, Any]] = {}
        """Answers that are always the same, by path."""
        self.calls: list[tuple[str, str, dict[str, str], dict[str, Any], int]] = []
        self.closed_connections: list[int] = []
        self.hold: int | None = None
        self.released = asyncio.Event()
        self.fault: Exception | None = None
        self.answer = status_answer(cluster_status(node_status(1), node_status(2), node_status(3)))
        self.release = Release(15, 3, tuple(Arrival(n, f"mail{n}", ARRIVED, 12) for n in (1, 2, 3)))
        self.waited = self.release
        self.cancelled = 0
        self.untold = ""
        self.known = {"has": 2, "of": 3, "certain": True}
        self.approved = asyncio.Event()
        self.hung_up = asyncio.Event()
        self.requests: tuple[RequestLine, ...] = (
            RequestLine("mail4", "192.0.2.4", "192.0.2.9", 125_000, "-".join(["YYYY"] * 6)),
        )
        self.members = members_answer()
        self.tokens: tuple[TokenLine, ...] = (
            TokenLine("3f2a000000000000", "good", NOW + 900_000, 0),
            TokenLine("77aa000000000000", "used", NOW + 60_000, 2),
        )

    async def handle(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any],
        connection: int,
    ) -> tuple[int, Mapping[str, Any]]:
        self.calls.append((method, path, dict(query), dict(body), connection))
        if self.fault is not None:
            raise self.fault
        if path in self.documents:
            return 200, self.documents[path]
        words = "_".join([method, *path.split("/")[2:]]).lower()
        name = f"_{words}" if hasattr(self, f"_{words}") else f"_{method}_{path.split('/')[2]}"
        answer = getattr(self, name.lower(), None)
        if answer is None:
            raise UsageError("there is no such call", where=path)
        document: Mapping[str, Any] = await answer(query, body, connection, path)
        return 200, document

    async def closed(self, connection: int) -> None:
        self.closed_connections.append(connection)
        self.hung_up.set()
        if self.hold == connection:
            self.hold = None
            self.released.set()

    async def _get_status(self, *_: object) -> Mapping[str, Any]:
        return self.answer.to_json()

    async def _get_log(self, query: Mapping[str, str], *_: object) -> Mapping[str, Any]:
        newest = int(query.get("before", 4)) - 1
        numbers = range(newest, max(newest - int(query["most"]), 0), -1)
        return {"versions": [log_line(number) for number in numbers]}

    async def _get_versions(
        self, query: Mapping[str, str], _body: object, _connection: int, path: str
    ) -> Mapping[str, Any]:
        diff = "--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old\n+new\n" if query["diff"] == "1" else None
        return shown_version(int(path.rpartition("/")[2]), diff).to_json()

    async def _post_create(
        self, _query: object, body: Mapping[str, Any], *_: object
    ) -> Mapping[str, Any]:
        return {
            "cluster": "4f1cdd54f2f09f24",
            "cid": 1,
            "name": body["name"] or "mail1",
            "address": body["address"] or "192.0.2.1",
            "recovery_key": "pmgsync-recovery-EXAMPLE",
            "version": 1,
            "files": 137,
            "adopted": ["mail2", "mail3"],
        }

    async def _post_tokens(self, *_: object) -> Mapping[str, Any]:
        return {
            "command": "pmgsync join 192.0.2.1 --token EXAMPLE",
            "address": "192.0.2.1",
            "token": "EXAMPLE",
            "expires": NOW,
        }

    async def _get_tokens(self, *_: object) -> Mapping[str, Any]:
        return {"tokens": [line.to_json() for line in self.tokens]}

    async def _post_tokens_revoke(
        self, _query: object, body: Mapping[str, Any], *_: object
    ) -> Mapping[str, Any]:
        line = next(line for line in self.tokens if line.token.startswith(body["token"]))
        return replace(line, state="revoked").to_json()

    async def _post_join_request(
        self, _query: object, body: Mapping[str, Any], *_: object
    ) -> Mapping[str, Any]:
        own, master = ("-".join([letter * 4] * 6) for letter in "YM")
        name = body["name"] or "mail4"
        return FiledAnswer(name, "192.0.2.1:7644", own, master, 60).to_json()

    async def _post_join_confirm(
        self, _query: object, body: Mapping[str, Any], *_: object
    ) -> Mapping[str, Any]:
        if "M" not in body["fingerprint"]:
            raise OperatorError("has another fingerprint than that", where="192.0.2.1:7644")
        return {}

    async def _get_join_request(self, *_: object) -> Mapping[str, Any]:
        try:
            await asyncio.wait_for(self.approved.wait(), DEADLINE)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return await self._post_join({}, {"token": "EXAMPLE", "name": "mail4"})

    async def _get_requests(self, *_: object) -> Mapping[str, Any]:
        return RequestsAnswer("mail1(1)", "-".join(["MMMM"] * 6), self.requests).to_json()

    async def _post_approve(
        self, _query: object, body: Mapping[str, Any], *_: object
    ) -> Mapping[str, Any]:
        return {"cid": 4, "name": body["name"], "address": "192.0.2.4"}

    async def _post_refuse(
        self, _query: object, body: Mapping[str, Any], *_: object
    ) -> Mapping[str, Any]:
        return {"name": body["name"], "refused": 2}

    async def _get_members(self, *_: object) -> Mapping[str, Any]:
        return self.members.to_json()

    async def _post_delete(
        self, _query: object, body: Mapping[str, Any], *_: object
    ) -> Mapping[str, Any]:
        if body["member"] == "mail9":
            raise NotMemberError("is no member of this cluster", where="mail9")
        words = {"epoch": 1, "serial": 5, "joined": True, "connected": True, "known": self.known}
        return {"cid": 3, "name": body["member"], **words}

    async def _post_leave(self, *_: object) -> Mapping[str, Any]:
        words = {"cluster": "4f1cdd54f2f09f24", "cid": 2, "name": "mail2", "master": "mail1(1)"}
        return {**words, "untold": self.untold}

    async def _post_join(
        self, _query: object, body: Mapping[str, Any], *_: object
    ) -> Mapping[str, Any]:
        if body["token"] != "EXAMPLE":
            raise OperatorError("the token is unknown", where="--token", mend="make another")
        return {
            "cluster": "4f1cdd54f2f09f24",
            "cid": 2,
            "name": body["name"] or "mail2",
            "master": "mail1",
            "kept": 4,
            "kept_where": "var/lib/pmgsync/kept",
            "version": 3,
        }

    async def _post_hold(
        self, _query: object, body: Mapping[str, Any], connection: int, *_: object
    ) -> Mapping[str, Any]:
        if self.hold is not None:
            raise OperatorError("is held already", where="pmgsync run")
        self.hold = connection if body["session"] else 0
        return {"holder": "pmgsync run" if body["session"] else "pmgsync hold"}

    async def _post_release(
        self, _query: object, _body: object, connection: int, *_: object
    ) -> Mapping[str, Any]:
        if self.hold is None:
            raise OperatorError("nothing is on hold")
        self.hold = None
        return self.release.to_json()

    async def _post_confirm(self, *_: object) -> Mapping[str, Any]:
        return self.release.to_json()

    async def _get_wait(self, query: Mapping[str, str], *_: object) -> Mapping[str, Any]:
        if query["version"] == "999":
            try:
                await asyncio.sleep(DEADLINE)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
        return self.waited.to_json()


def log_line(number: int) -> dict[str, Any]:
    """Version `number` as the log lists it."""
    return {
        "version": number,
        "epoch": 1,
        "created": NOW + number * 1000,
        "message": f"edit {number}",
        "puts": number,
        "deletes": 0,
        "size": 512 * number,
    }


def shown_version(number: int, diff: str | None = None) -> ShownVersion:
    """Version `number` with a changed, an added secret and a deleted file."""
    files = (
        ShownFile("etc/pmg/domains", "changed", 2048, 2000, 0o644, "root:root", False, diff),
        ShownFile("etc/pmg/dkim/s1.private", "added", 1704, 0, 0o640, "root:www-data", True),
        ShownFile("etc/pmg/transport", "deleted", 0, 12, 0, "", False),
    )
    return ShownVersion(number, 1, NOW, "new relay", "mail1(1)", "cd" * 32, "ef" * 32, files)


class Served:
    """A `ControlServer` below `root`, with its loop in a thread of its own."""

    def __init__(self, root: Path, *, idle: float = 60.0) -> None:
        self.root = root
        self.socket = root / SOCKET
        self.node = FakeNode()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = ControlServer(self.socket, self.node, idle=idle)
        self.do(self._start())

    async def _start(self) -> None:
        self._server.start()

    def do(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it on the loop of the daemon."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(DEADLINE)

    def wait_released(self) -> None:
        """Return when a hold has ended with its connection."""
        self.do(asyncio.wait_for(self.node.released.wait(), DEADLINE))

    def stop(self) -> None:
        """Stop the server; harmless if it was stopped."""
        if not self._loop.is_closed():
            self.do(self._server.stop())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(DEADLINE)
            self._loop.close()


def environment(**more: str) -> dict[str, str]:
    """What the command is started with."""
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "TZ": "UTC", "COLUMNS": "90", **more}


def command_line(*words: str | Path) -> list[str]:
    """`pmgsync WORDS`, on this interpreter."""
    return [sys.executable, "-m", "pmgsync", *map(str, words)]


def pmgsync(*words: str | Path, stdin: str = "", **more: str) -> "subprocess.CompletedProcess[str]":
    """Run `pmgsync WORDS` to its end."""
    return subprocess.run(
        command_line(*words),
        env=environment(**more),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=DEADLINE * 3,
        check=False,
    )


def outcome(*words: str | Path, stdin: str = "") -> tuple[int, str, str]:
    ended = pmgsync(*words, stdin=stdin)
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stdout, ended.stderr


def on_a_terminal(
    words: list[str], *, until: bytes, size: tuple[int, int] = (0, 0), **more: str
) -> tuple[int, bytes]:
    """Run it on a terminal of `size` (columns, lines; 0: it does not know), type Ctrl-C once
    `until` has been seen; exit code and output.
    """
    pid, terminal = pty.fork()
    if pid == 0:
        termios.tcsetwinsize(1, (size[1], size[0]))
        os.execve(sys.executable, words, environment(**more))  # noqa: S606 - as asked for
    output, interrupted = b"", False
    while True:
        try:
            output += os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if until in output and not interrupted:
            interrupted = True
            os.write(terminal, b"\x03")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), output
