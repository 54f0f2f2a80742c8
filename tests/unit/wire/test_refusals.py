"""Errors on the wire: families survive, text is tamed."""

import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.errors import (
    BadSignatureError,
    DigestMismatchError,
    InvalidError,
    MalformedError,
    NotAllowedError,
    OperatorError,
    PeerError,
    PmgsyncError,
    StoreError,
    TransportError,
)
from pmgsync.wire.refusals import MAX_LINE, family_of, one_line, status_of


@pytest.mark.parametrize(
    ("error", "family"),
    [
        (NotAllowedError("x"), NotAllowedError),
        (BadSignatureError("x"), BadSignatureError),
        (MalformedError("x"), PeerError),
        (DigestMismatchError("x"), PeerError),
        (InvalidError("x"), OperatorError),
        (StoreError("x"), TransportError),
        (TransportError("x"), TransportError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, PmgsyncError) else "",
)
def test_a_family_survives_the_wire(error: PmgsyncError, family: type[PmgsyncError]) -> None:
    code, line = status_of(error)
    back = family_of(code, line, "node2")
    assert type(back) is family
    assert str(back) == "node2: x"


def test_may_it_be_tried_again_survives_the_wire() -> None:
    for error in (StoreError("x"), TransportError("x"), NotAllowedError("x"), MalformedError("x")):
        assert family_of(*status_of(error), "").retryable == error.retryable


def test_where_and_mend_travel_in_the_line() -> None:
    error = InvalidError("has the same key", where="node2(2)", mend="do not copy it")
    assert status_of(error) == (
        StatusCode.FAILED_PRECONDITION,
        "node2(2): has the same key; do not copy it",
    )


@pytest.mark.parametrize("error", [ValueError("secret"), KeyError("secret"), OSError("secret")])
def test_other_errors_tell_nothing(error: Exception) -> None:
    code, line = status_of(error)
    assert code is StatusCode.INTERNAL
    assert "secret" not in line


@pytest.mark.parametrize("code", list(StatusCode))
def test_every_status_becomes_an_error_of_ours(code: StatusCode) -> None:
    assert isinstance(family_of(code, "", "node2"), PmgsyncError)


REACHING = "failed to connect to all addresses; last error: "


@pytest.mark.parametrize(
    ("details", "what"),
    [
        (
            REACHING + "UNKNOWN: ipv4:192.0.2.1:7643: Failed to connect to remote host: "
            "Connection refused",
            "connection refused",
        ),
        (
            REACHING + "UNKNOWN: ipv4:192.0.2.1:7643: Failed to connect to remote host: "
            "getsockopt(SO_ERROR): No route to host",
            "no route",
        ),
        (
            REACHING + "FAILED_PRECONDITION: ipv4:192.0.2.1:7643: connect failed: addr: "
            "ipv4:192.0.2.1:7643 error: Network is unreachable",
            "no route",
        ),
        (
            REACHING + "UNKNOWN: ipv4:192.0.2.1:7643: Failed to connect to remote host: "
            "connect() timed out",
            "timed out",
        ),
        (
            REACHING + "UNAVAILABLE: ipv4:192.0.2.1:7643: connection attempt timed out before "
            "receiving SETTINGS frame",
            "timed out",
        ),
        (
            REACHING + "UNAVAILABLE: ipv4:192.0.2.1:7643: recvmsg:Connection reset by peer",
            "cannot be reached",
        ),
        (REACHING + "something that nobody has seen yet", "cannot be reached"),
        ("Socket closed", "the connection broke"),
        ("recvmsg:Connection reset by peer", "the connection broke"),
        ("GOAWAY received; Error code: 0; Debug Text: bye", "the connection broke"),
    ],
)
def test_a_connection_that_fails_is_told_in_plain_words(details: str, what: str) -> None:
    error = family_of(StatusCode.UNAVAILABLE, details, "mail1(1)")
    assert isinstance(error, TransportError)
    assert str(error) == f"mail1(1): {what}; start pmgsyncd there or mend the network"


def test_a_certificate_that_does_not_count_is_no_trouble_of_the_network() -> None:
    details = (
        REACHING + "UNKNOWN: ipv4:192.0.2.1:7643: Ssl handshake failed: SSL_ERROR_SSL: "
        "error:1000007d:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED"
    )
    assert str(family_of(StatusCode.UNAVAILABLE, details, "mail1(1)")) == (
        "mail1(1): shows another certificate than the one it has in the cluster, or one that does "
        "not count now; `pmgsync status` there says more; are the clocks of both right "
        "(`timedatectl`)?"
    )


def test_words_of_the_other_end_are_not_taken_for_those_of_the_network() -> None:
    said = "etc/pmg: no space left; the connection refused nothing"
    assert str(family_of(StatusCode.UNAVAILABLE, said, "mail1(1)")) == f"mail1(1): {said}"


@given(st.text())
def test_what_a_peer_says_cannot_play_with_the_terminal(text: str) -> None:
    line = one_line(text)
    assert len(line) <= MAX_LINE
    assert line.isprintable()
    assert line == line.strip()


def test_a_line_is_not_changed_without_need() -> None:
    assert one_line("pmg.conf:3: unknown option 'x'; remove it") == (
        "pmg.conf:3: unknown option 'x'; remove it"
    )
    assert one_line("a\n\x1b[31mred\r\tb") == "a [31mred b"


def test_a_node_that_is_shut_out_hears_what_that_may_mean() -> None:
    details = REACHING + "UNAVAILABLE: ipv4:192.0.2.1:7643: Socket closed"
    error = family_of(StatusCode.UNAVAILABLE, details, "mail1(1)")
    assert isinstance(error, TransportError)
    assert error.what == "ends the connection before it lets this node in"
    assert "`pmgsync leave`" in error.mend
