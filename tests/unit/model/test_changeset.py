"""Positions, differences, and change sets on their way from one state to the next."""

import json
from dataclasses import replace

import pytest

from pmgsync.errors import DigestMismatchError, MalformedError, OutOfScopeError, PeerError
from pmgsync.model.changeset import (
    MAX_MESSAGE_CHARACTERS,
    NOWHERE,
    ChangeSet,
    Diff,
    Position,
    apply,
    diff,
)
from pmgsync.model.manifest import MAX_ENTRIES, Manifest, digest_of
from pmgsync.model.paths import ManagedPath
from tests.unit.model.sample import HISTORY, STATES, changing, entry, manifest, version

FIRST, SECOND, THIRD, FOURTH = HISTORY
SHADOW = ManagedPath("etc/shadow")


def test_positions_are_ordered_by_epoch_and_then_by_version() -> None:
    listed = [Position(2, 1), Position(1, 10), Position(1, 9), NOWHERE]
    assert sorted(listed) == [NOWHERE, Position(1, 9), Position(1, 10), Position(2, 1)]


@pytest.mark.parametrize("position", [NOWHERE, Position(3, 142), Position(2**53, 2**53)])
def test_a_position_survives_its_text(position: Position) -> None:
    assert Position.parse(str(position)) == position
    assert str(Position(3, 142)) == "3.142"


@pytest.mark.parametrize(
    "text",
    [
        *("", "1", "1.", ".1", "1.2.3", "1,2", "-1.2", "+1.2", "01.2", "1.02", " 1.2", "1.2\n"),
        *("\u0661.\u0662", "1.\uff12", "1e3.1", "1_0.2", "9" * 17 + ".1"),
    ],
)
def test_a_position_has_one_text_form_only(text: str) -> None:
    with pytest.raises(MalformedError, match=r"not a position like 1\.42") as caught:
        Position.parse(text)
    assert str(caught.value).isprintable()


def test_a_difference_lists_puts_and_deletes_by_path() -> None:
    change = diff(manifest(domains="a", mynetworks="n"), manifest(domains="b", transport="t"))
    assert [put.path for put in change.puts] == ["etc/pmg/domains", "etc/pmg/transport"]
    assert change.deletes == ("etc/pmg/mynetworks",)
    assert change.paths == ("etc/pmg/domains", "etc/pmg/mynetworks", "etc/pmg/transport")
    assert change.size == 2
    assert change


def test_between_equal_states_there_is_no_difference() -> None:
    assert not diff(manifest(domains="a"), manifest(domains="a"))
    assert diff(Manifest(), Manifest()) == Diff()


def test_the_difference_leads_from_one_state_to_the_other() -> None:
    for base in STATES:
        for target in STATES:
            assert apply(base, diff(base, target)) == target


def test_a_change_set_survives_its_bytes() -> None:
    for change_set in HISTORY:
        assert ChangeSet.from_bytes(change_set.to_bytes()) == change_set


def test_a_long_message_is_cut_when_it_is_signed_and_refused_when_it_is_read() -> None:
    long = replace(FIRST, message="é" * (MAX_MESSAGE_CHARACTERS + 1))
    assert len(ChangeSet.from_bytes(long.to_bytes()).message) == MAX_MESSAGE_CHARACTERS
    said = json.loads(FIRST.to_bytes())
    said["message"] = "x" * (MAX_MESSAGE_CHARACTERS + 1)
    with pytest.raises(MalformedError, match="message"):
        ChangeSet.from_bytes(json.dumps(said).encode())


def test_a_message_with_half_a_character_can_be_read_by_the_others() -> None:
    said = replace(FIRST, message="\ud800 and \0 and \U0001f600")
    assert ChangeSet.from_bytes(said.to_bytes()).message == "? and \0 and \U0001f600"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("cluster", 1),
        ("epoch", "1"),
        ("epoch", -1),
        ("version", True),
        ("version", 2**53 + 1),
        ("version", 1.0),
        ("parent", None),
        ("result", "A" * 64),
        ("puts", {}),
        ("puts", [["etc/pmg/domains"]]),
        ("deletes", [1]),
        ("deletes", "etc/pmg/domains"),
        ("created", -1),
        ("message", None),
        ("surplus", 1),
    ],
)
def test_a_change_set_of_another_form_is_malformed(name: str, value: object) -> None:
    said = {**json.loads(FIRST.to_bytes()), name: value}
    with pytest.raises(MalformedError):
        ChangeSet.from_bytes(json.dumps(said).encode())


@pytest.mark.parametrize("name", list(json.loads(FIRST.to_bytes())))
def test_every_member_of_a_change_set_must_be_there(name: str) -> None:
    said = json.loads(FIRST.to_bytes())
    del said[name]
    with pytest.raises(MalformedError, match=f"has no '{name}'"):
        ChangeSet.from_bytes(json.dumps(said).encode())


def test_a_change_set_names_a_limited_number_of_files() -> None:
    said = {**json.loads(FIRST.to_bytes()), "deletes": ["a"] * (MAX_ENTRIES + 1), "puts": []}
    with pytest.raises(MalformedError, match=f"more than {MAX_ENTRIES} files"):
        ChangeSet.from_bytes(json.dumps(said).encode())


@pytest.mark.parametrize("path", ["/etc/shadow", "../etc/shadow", "a//b"])
def test_a_change_set_deletes_no_path_that_escapes(path: str) -> None:
    said = {**json.loads(FIRST.to_bytes()), "deletes": [path]}
    with pytest.raises(OutOfScopeError):
        ChangeSet.from_bytes(json.dumps(said).encode())


def test_a_change_set_leads_from_its_parent_to_its_result() -> None:
    for number, change_set in enumerate(HISTORY, start=1):
        assert change_set.lead(STATES[number - 1]) == STATES[number]


def test_a_change_set_does_not_lead_from_another_state() -> None:
    with pytest.raises(DigestMismatchError, match=r"1\.2 does not start"):
        SECOND.lead(STATES[0])


def test_a_change_set_that_leads_elsewhere_is_refused() -> None:
    with pytest.raises(DigestMismatchError, match=r"1\.1 does not lead"):
        replace(FIRST, result=STATES[2].digest).lead(STATES[0])


@pytest.mark.parametrize("mode", [0o755, 0o4755, 0o666])
def test_a_put_with_another_mode_is_refused(mode: int) -> None:
    put = replace(FIRST.change.puts[0], mode=mode)
    with pytest.raises(OutOfScopeError, match="scope table"):
        changing(FIRST, Diff((put,)), STATES[0]).lead(STATES[0])


def test_a_put_out_of_scope_is_refused() -> None:
    put = replace(FIRST.change.puts[0], path=SHADOW)
    with pytest.raises(OutOfScopeError, match="etc/shadow"):
        changing(FIRST, Diff((put,)), STATES[0]).lead(STATES[0])


def test_a_delete_out_of_scope_is_refused_although_it_changes_no_digest() -> None:
    change = replace(FIRST.change, deletes=(SHADOW,))
    with pytest.raises(OutOfScopeError, match="etc/shadow"):
        replace(FIRST, change=change).lead(STATES[0])


def test_a_delete_of_what_is_not_there_is_refused() -> None:
    change = replace(FIRST.change, deletes=(ManagedPath("etc/pmg/transport"),))
    with pytest.raises(DigestMismatchError, match="deletes what is not there"):
        replace(FIRST, change=change).lead(STATES[0])


@pytest.mark.parametrize("doubled", ["puts", "both"])
def test_a_path_that_is_changed_twice_is_refused(doubled: str) -> None:
    put = SECOND.change.puts[0]
    change = Diff((put, put)) if doubled == "puts" else Diff((put,), (put.path,))
    with pytest.raises(PeerError, match=r"changes a path twice"):
        changing(SECOND, change, STATES[1]).lead(STATES[1])


def test_a_put_that_makes_a_file_a_folder_is_refused() -> None:
    base = Manifest([entry("etc/pmg/acme/a")])
    for path, start in (("etc/pmg/acme/a/b", base), ("etc/pmg/acme", Manifest())):
        target = start.changed([replace(entry("etc/pmg/acme/x"), path=ManagedPath(path))], [])
        with pytest.raises(OutOfScopeError):
            version(1, start, target).lead(start)


def test_a_file_may_become_a_folder_and_back_in_one_change() -> None:
    file = Manifest([entry("etc/pmg/acme/a")])
    folder = Manifest([entry("etc/pmg/acme/a/b")])
    assert version(1, file, folder).lead(file) == folder
    assert version(2, folder, file).lead(folder) == file


def test_the_end_of_a_change_set_fits_it() -> None:
    for number, change_set in enumerate(HISTORY, start=1):
        change_set.require_end(STATES[number])


def test_an_end_that_contradicts_the_change_is_refused() -> None:
    put = entry("etc/pmg/mynetworks", "not in the result")
    for change in (Diff((put,)), Diff((), (ManagedPath("etc/pmg/domains"),))):
        with pytest.raises(DigestMismatchError, match="its own manifest"):
            replace(FIRST, change=change).require_end(STATES[1])
    with pytest.raises(OutOfScopeError):
        replace(FIRST, change=Diff((), (SHADOW,))).require_end(STATES[1])
    with pytest.raises(DigestMismatchError, match="is not that of version"):
        FIRST.require_end(STATES[2])


def test_a_digest_of_content_is_not_mistaken_for_that_of_a_state() -> None:
    assert digest_of(b"") == Manifest().digest  # the empty state has no line, hence the same one
    assert digest_of(STATES[1].to_bytes()) != STATES[1].digest
