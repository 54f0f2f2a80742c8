"""The local API as bytes on a socket: limits, errors, connections that come and go."""

import asyncio
import json
import os
import shutil
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pmgsync.errors import (
    DeadlineError,
    HostError,
    InvalidError,
    NotAllowedError,
    OperatorError,
    PmgsyncError,
    TransportError,
)
from pmgsync.wire import control
from pmgsync.wire.control import ControlServer, http_status_of
from pmgsync.wire.local_socket import socket_address
from tests.control.fake_node import DEADLINE, FakeNode, Served


def connect(served: Served) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(DEADLINE)
    with socket_address(served.socket) as address:
        connection.connect(address)
    return connection


def ask(served: Served, request: bytes) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers and document of the one answer to these bytes."""
    with connect(served) as connection:
        connection.sendall(request)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> tuple[int, dict[str, str], dict[str, Any]]:
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536) or pytest.fail(f"the connection ended after {data!r}")
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    while len(body) < int(headers["content-length"]):
        body += connection.recv(65536)
    return int(first.split()[1]), headers, json.loads(body)


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def eventually(condition: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.005)


def test_answers_json(served: Served) -> None:
    status, headers, document = ask(served, get("/v1/status?fresh=1"))
    assert (status, headers["content-type"]) == (200, "application/json")
    assert document["status"]["version"] == 14
    assert served.node.calls[0][:4] == ("GET", "/v1/status", {"fresh": "1"}, {})


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_understands_it(served: Served) -> None:
    url = "http://localhost/v1/status"
    command = ["curl", "-sS", "--fail", "--unix-socket", str(served.socket), url]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=DEADLINE)
    assert json.loads(answer.stdout)["source"] == "live"
    assert answer.stdout.endswith("\n")


def test_a_connection_is_kept_and_has_one_number(served: Served) -> None:
    with connect(served) as connection:
        for _ in range(3):
            connection.sendall(get("/v1/status"))
            assert read_answer(connection)[0] == 200
    assert len({call[4] for call in served.node.calls}) == 1
    eventually(lambda: served.node.closed_connections == [served.node.calls[0][4]])


def test_requests_may_come_in_one_packet(served: Served) -> None:
    with connect(served) as connection:
        connection.sendall(get("/v1/status") * 2)
        eventually(lambda: len(served.node.calls) == 2)


def test_a_body_arrives(served: Served) -> None:
    body = json.dumps({"name": "mail1", "address": None}).encode()
    status, _, document = ask(served, post("/v1/create", body))
    assert (status, document["name"]) == (200, "mail1")
    assert served.node.calls[0][3] == {"name": "mail1", "address": None}


@pytest.mark.parametrize(
    ("request_bytes", "status", "what"),
    [
        (get("/v1/nothing"), 400, "there is no such call"),
        (get("/v1/log?most=1&most=2"), 400, "a parameter is given twice"),
        (post("/v1/create", b"{"), 400, "the body is not JSON"),
        (post("/v1/create", b"[" * 5000), 400, "the body is not JSON"),
        (post("/v1/create", b"\xff"), 400, "the body is not JSON"),
        (post("/v1/create", b"[]"), 400, "the body is not a JSON object"),
        (b"POST /v1/create HTTP/1.1\r\nContent-Length: 70000\r\n\r\n", 400, "larger than 65536"),
        (b"POST /v1/create HTTP/1.1\r\nContent-Length: 1e3\r\n\r\n", 400, "Content-Length"),
        (b"POST /v1/create HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, "Content-Length"),
        (b"POST /v1/create HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", 400, "Length"),
        (post("/v1/create", b"", "Transfer-Encoding: chunked"), 400, "Content-Length"),
        (b"PUT /v1/create HTTP/1.1\r\n\r\n", 501, "Unsupported method"),
        (b"nonsense\r\n\r\n", 400, "Bad"),
        (b"GET /v1/status HTTP/9.9\r\n\r\n", 505, "Invalid HTTP version"),
        (get("/" + "x" * 70000), 414, ""),
        (get("/v1/status", *(f"X-{n}: y" for n in range(200))), 431, ""),
    ],
)
def test_bad_requests_get_one_line(
    served: Served, request_bytes: bytes, status: int, what: str
) -> None:
    answered, headers, document = ask(served, request_bytes)
    assert (answered, document["exit"]) == (status, 2)
    assert what in document["what"]
    assert "\n" not in document["what"]
    assert headers["content-type"] == "application/json"


def test_a_refused_body_closes_the_connection(served: Served) -> None:
    with connect(served) as connection:
        connection.sendall(b"POST /v1/create HTTP/1.1\r\nContent-Length: 70000\r\n\r\n")
        assert read_answer(connection)[1]["connection"] == "close"
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidError("x"), 409),
        (NotAllowedError("x"), 403),
        (DeadlineError("x"), 504),
        (TransportError("x"), 502),
        (HostError("x"), 500),
        (PmgsyncError("x"), 500),
    ],
)
def test_errors_have_a_status(error: PmgsyncError, status: int) -> None:
    assert http_status_of(error) == status


def test_an_error_carries_its_words_and_exit_code(served: Served) -> None:
    served.node.fault = InvalidError("is not TOML", where="pmgsync.toml:3", mend="mend it")
    status, _, document = ask(served, get("/v1/status"))
    assert status == 409
    assert document == {
        "what": "is not TOML",
        "where": "pmgsync.toml:3",
        "mend": "mend it",
        "exit": 3,
    }


def test_a_fault_of_ours_is_logged_and_not_told(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    served.node.fault = KeyError("secret")
    status, _, document = ask(served, get("/v1/status"))
    assert (status, document["exit"]) == (500, 1)
    assert "secret" not in json.dumps(document)
    assert "KeyError" in caplog.text
    served.node.fault = None
    assert ask(served, get("/v1/status"))[0] == 200


def test_the_socket_is_for_its_owner_only(served: Served) -> None:
    assert stat.S_IMODE(served.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(served.socket.parent.stat().st_mode) == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to be somebody else")
def test_others_are_turned_away(served: Served) -> None:
    served.socket.chmod(0o666)
    for folder in (served.socket.parent, *served.socket.parent.parents):
        if folder != Path("/"):
            folder.chmod(0o755)
    program = (
        "import os, socket; os.setuid(65534); s = socket.socket(socket.AF_UNIX);"
        f"s.connect({str(served.socket)!r}); s.settimeout(9); print(s.recv(9999).decode())"
    )
    answer = subprocess.run(
        ["/usr/bin/python3", "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.startswith("HTTP/1.1 403")
    assert "user 65534 may not talk to this daemon" in answer.stdout


def test_a_folder_with_open_doors_is_closed(tmp_path: Path) -> None:
    folder = tmp_path / "run/pmgsync"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    server = Served(tmp_path)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    server.stop()


def test_too_many_connections_are_refused(served: Served) -> None:
    crowd = [connect(served) for _ in range(control.MAX_CONNECTIONS)]
    try:
        with connect(served) as late:
            assert read_answer(late)[0] == 503
    finally:
        for connection in crowd:
            connection.close()
    eventually(lambda: ask(served, get("/v1/status"))[0] == 200)


def test_a_silent_connection_is_closed_unless_it_asked_to_stay(tmp_path: Path) -> None:
    served = Served(tmp_path, idle=0.05)
    with connect(served) as silent, connect(served) as staying:
        staying.sendall(get("/v1/status", "Connection: keep-alive"))
        read_answer(staying)
        assert silent.recv(1) == b""
        staying.sendall(get("/v1/status", "Connection: keep-alive"))
        assert read_answer(staying)[0] == 200
    served.stop()


def test_a_client_that_goes_away_cancels_its_question(served: Served) -> None:
    with connect(served) as connection:
        connection.sendall(get("/v1/wait?version=999"))
        eventually(lambda: served.node.calls)
    eventually(lambda: served.node.cancelled == 1)
    eventually(lambda: served.node.closed_connections)


def test_stopping_answers_who_waits_and_removes_the_socket(served: Served) -> None:
    with connect(served) as waiting, connect(served) as silent:
        waiting.sendall(get("/v1/wait?version=999"))
        eventually(lambda: served.node.calls)
        served.stop()
        status, _, document = read_answer(waiting)
        assert (status, document["what"]) == (502, "pmgsyncd is stopping")
        assert silent.recv(1) == b""
    assert served.node.closed_connections == [served.node.calls[0][4]]
    assert not served.socket.exists()


def test_stopping_leaves_a_successors_socket_alone(tmp_path: Path) -> None:
    served = Served(tmp_path)
    served.socket.unlink()
    served.socket.write_text("another's")
    served.stop()
    assert served.socket.read_text() == "another's"


def test_a_second_daemon_is_refused(served: Served) -> None:
    async def start() -> None:
        ControlServer(served.socket, FakeNode()).start()

    with pytest.raises(OperatorError, match="another pmgsyncd answers here already"):
        asyncio.run(start())
    assert ask(served, get("/v1/status"))[0] == 200


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "run/pmgsync/control.sock"
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    served = Served(tmp_path)
    assert ask(served, get("/v1/status"))[0] == 200
    served.stop()


def test_what_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "run/pmgsync/control.sock"
    path.parent.mkdir(parents=True)
    path.write_text("precious")
    with pytest.raises(HostError, match="in the way: not a socket"):
        Served(tmp_path)
    assert path.read_text() == "precious"


def test_a_long_root_is_no_hindrance(far_away: Served) -> None:
    assert len(str(far_away.socket)) > 200
    assert ask(far_away, get("/v1/status"))[0] == 200
    assert stat.S_IMODE(far_away.socket.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "target", ["http://[", "/v1/status?" + "&".join(f"p{n}=1" for n in range(21))]
)
def test_a_target_that_cannot_be_read_is_a_usage_error(target: str, served: Served) -> None:
    status, _, document = ask(served, get(target))
    assert (status, document["exit"]) == (400, 2)
    assert served.node.calls == []
