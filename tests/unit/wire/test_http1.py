"""The local API's own HTTP: heads that are read, heads that are refused, answers."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.wire.http1 import MAX_HEADERS, MAX_LINE, Head, Refusal, answer, read_head


def head_of(data: bytes) -> Head | Refusal | None:
    return read_head(io.BytesIO(data))


def test_a_request() -> None:
    stream = io.BytesIO(b"POST /v1/create?a=b HTTP/1.1\r\nHost: x\r\nContent-LENGTH:  2 \r\n\r\n{}")
    assert read_head(stream) == Head(
        "POST", "/v1/create?a=b", "HTTP/1.1", {"host": "x", "content-length": "2"}
    )
    assert stream.read() == b"{}"
    assert read_head(stream) is None


def test_an_empty_line_before_a_request_is_passed_over_once() -> None:
    assert isinstance(head_of(b"\r\nGET / HTTP/1.1\r\n\r\n"), Head)
    assert isinstance(head_of(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"), Refusal)


def test_a_header_that_comes_twice_is_one_with_both_values() -> None:
    head = head_of(b"GET / HTTP/1.1\r\nContent-Length: 1\r\ncontent-length: 2\r\n\r\n")
    assert isinstance(head, Head)
    assert head.headers == {"content-length": "1, 2"}  # which is no number


@pytest.mark.parametrize(
    ("version", "wish", "closes"),
    [
        ("1.1", "", False),
        ("1.1", "close", True),
        ("1.1", "keep-alive", False),
        ("1.0", "", True),
        ("1.0", "Keep-Alive", False),
    ],
)
def test_when_a_connection_is_closed(version: str, wish: str, closes: bool) -> None:
    head = head_of(f"GET / HTTP/{version}\r\nConnection: {wish}\r\n\r\n".encode())
    assert isinstance(head, Head)
    assert head.closes is closes


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /\r\n\r\n", 400),
        (b"GET / FTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2\r\n\r\n", 505),
        (b"BREW / HTTP/1.1\r\n\r\n", 501),
        (b"GET /" + b"x" * MAX_LINE, 414),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x", 400),
        (b"GET / HTTP/1.1\r\nA: " + b"x" * MAX_LINE, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: x\r\n" * (MAX_HEADERS + 1) + b"\r\n", 431),
    ],
)
def test_what_is_no_request_is_refused(data: bytes, status: int) -> None:
    refused = head_of(data)
    assert isinstance(refused, Refusal)
    assert refused.status == status
    assert "\n" not in refused.what


def test_the_most_headers_that_are_read() -> None:
    head = head_of(b"GET / HTTP/1.1\r\n" + b"A: x\r\n" * MAX_HEADERS + b"\r\n")
    assert isinstance(head, Head)


@given(st.binary(max_size=300))
def test_no_bytes_do_anything_else(data: bytes) -> None:
    assert isinstance(head_of(b"GET / HTTP/1.1\r\n" + data), Head | Refusal)
    assert isinstance(head_of(data), Head | Refusal | None)


def test_answers() -> None:
    assert answer(200, b"{}", closes=False) == (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert answer(409, b"", closes=True).startswith(b"HTTP/1.1 409 Refused\r\n")
    assert b"\r\nConnection: close\r\n\r\n" in answer(409, b"", closes=True)
