"""Heartbeats and reports: small signed words of limited size."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from pmgsync.errors import MalformedError
from pmgsync.model.heartbeat import MAX_HEARTBEAT_BYTES, Heartbeat
from pmgsync.model.manifest import digest_of
from pmgsync.model.report import (
    MAX_NOTE_CHARACTERS,
    MAX_NOTES,
    MAX_RENDERED,
    MAX_REPORT_BYTES,
    Outcome,
    Report,
)
from tests.unit.model.sample import beat, report

READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "heartbeat": (Heartbeat.from_bytes, beat(7).to_bytes()),
    "report": (Report.from_bytes, report().to_bytes()),
}


def test_a_heartbeat_survives_its_bytes() -> None:
    assert Heartbeat.from_bytes(beat(7).to_bytes()) == beat(7)


@pytest.mark.parametrize("outcome", Outcome)
def test_a_report_survives_its_bytes(outcome: Outcome) -> None:
    said = replace(report(), outcome=outcome)
    assert Report.from_bytes(said.to_bytes()) == said


@pytest.mark.parametrize("kind", READERS)
def test_every_member_must_be_there_and_none_besides(kind: str) -> None:
    read, good = READERS[kind]
    said = json.loads(good)
    for name in said:
        with pytest.raises(MalformedError, match=f"has no '{name}'"):
            read(json.dumps({key: said[key] for key in said if key != name}).encode())
    with pytest.raises(MalformedError, match="unknown 'more'"):
        read(json.dumps({**said, "more": 1}).encode())


@pytest.mark.parametrize("kind", READERS)
def test_no_member_takes_another_type(kind: str) -> None:
    read, good = READERS[kind]
    said = json.loads(good)
    for name, value in said.items():
        others: list[object] = [None, True, -1, 1.5, "\u0661", [1], {}, 10**400]
        for other in others:
            if type(other) is type(value) and other not in (-1, 10**400, [1]):
                continue
            with pytest.raises(MalformedError):
                read(json.dumps({**said, name: other}).encode())


def test_a_heartbeat_or_report_that_is_too_large_is_not_parsed() -> None:
    with pytest.raises(MalformedError, match="larger"):
        Heartbeat.from_bytes(b" " * (MAX_HEARTBEAT_BYTES + 1))
    with pytest.raises(MalformedError, match="larger"):
        Report.from_bytes(b" " * (MAX_REPORT_BYTES + 1))


def test_the_longest_report_can_be_read() -> None:
    long = "\U0001f600" * (MAX_NOTE_CHARACTERS + 1)
    said = replace(report(), detail=long, notes=(long,) * (MAX_NOTES + 1))
    read = Report.from_bytes(said.to_bytes())
    assert len(read.detail) == MAX_NOTE_CHARACTERS
    assert [len(note) for note in read.notes] == [MAX_NOTE_CHARACTERS] * MAX_NOTES


def test_too_many_notes_are_refused() -> None:
    said = {**json.loads(report().to_bytes()), "notes": [""] * (MAX_NOTES + 1)}
    with pytest.raises(MalformedError, match="too many notes"):
        Report.from_bytes(json.dumps(said).encode())


def test_an_unknown_outcome_is_refused_and_shown_harmlessly() -> None:
    said = {**json.loads(report().to_bytes()), "outcome": "\x1b[2Jfine\nroot"}
    with pytest.raises(MalformedError, match="unknown outcome") as caught:
        Report.from_bytes(json.dumps(said).encode())
    assert str(caught.value).isprintable()


def test_the_text_of_a_report_is_one_harmless_line() -> None:
    said = json.loads(report().to_bytes())
    said |= {"detail": "a\nmx1 in sync\x1b[2J", "notes": ["b\r\x9b31m"]}
    read = Report.from_bytes(json.dumps(said).encode())
    assert read.detail == "a\\nmx1 in sync\\x1b[2J"
    assert read.notes == ("b\\r\\x9b31m",)


def test_half_of_a_surrogate_pair_gets_nowhere() -> None:
    said = {**json.loads(report().to_bytes()), "detail": "\ud800"}
    with pytest.raises(MalformedError):
        Report.from_bytes(json.dumps(said).encode())
    own = replace(report(), detail="etc/pmg/\udcff: not UTF-8")
    assert Report.from_bytes(own.to_bytes()).detail == "etc/pmg/\\udcff: not UTF-8"


@pytest.mark.parametrize("text", ["1.01", "1", "\u0661.1", "1.1\n", "-1.1"])
def test_a_report_names_positions_in_their_one_form(text: str) -> None:
    for name in ("active", "wanted"):
        said = {**json.loads(report().to_bytes()), name: text}
        with pytest.raises(MalformedError, match="position"):
            Report.from_bytes(json.dumps(said).encode())


# --- service files ---

RENDERED = (("etc/clamav/clamd.conf", digest_of(b"clamd")), ("etc/postfix/main.cf", digest_of(b"")))


def test_a_report_with_service_files_survives_its_bytes() -> None:
    said = replace(report(), rendered=RENDERED)
    assert Report.from_bytes(said.to_bytes()) == said


def test_a_report_without_service_files_is_as_it_was_before_there_were_any() -> None:
    assert b"rendered" not in report().to_bytes()


def test_service_files_come_sorted() -> None:
    said = replace(report(), rendered=RENDERED[::-1])
    assert Report.from_bytes(said.to_bytes()).rendered == RENDERED


@pytest.mark.parametrize("rendered", [{"etc/x": "none"}, {"etc/x": 1}, {"etc/x": None}, []])
def test_a_service_file_without_a_digest_is_refused(rendered: object) -> None:
    said = json.loads(report().to_bytes())
    with pytest.raises(MalformedError):
        Report.from_bytes(json.dumps({**said, "rendered": rendered}).encode())


def test_service_files_are_limited_in_number_and_harmless() -> None:
    many = {f"etc/{number}": digest_of(b"") for number in range(MAX_RENDERED + 1)}
    said = json.loads(report().to_bytes())
    with pytest.raises(MalformedError, match="too many service files"):
        Report.from_bytes(json.dumps({**said, "rendered": many}).encode())
    odd = {"etc/\x1b[2J": digest_of(b"")}
    ((path, _),) = Report.from_bytes(json.dumps({**said, "rendered": odd}).encode()).rendered
    assert "\x1b" not in path
