"""The one door to trust: what comes in, and that a refusal changes nothing."""

import copy
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace

import pytest

from pmgsync.errors import (
    BadSignatureError,
    DigestMismatchError,
    GapError,
    MalformedError,
    OutOfScopeError,
    PeerError,
    StaleError,
    WrongClusterError,
)
from pmgsync.model.changeset import NOWHERE, ChangeSet, Diff, Position
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import Manifest, digest_of
from pmgsync.model.membership import admit
from pmgsync.model.paths import ManagedPath
from pmgsync.model.trust import Head, TrustedHistory, VerifiedChangeSet, verify_content
from tests.unit.model.sample import (
    ENVELOPES,
    HISTORY,
    MASTER,
    NODE,
    OTHER,
    RECOVERY,
    STATES,
    STRANGER,
    beat,
    changing,
    entry,
    genesis,
    member,
    report,
    seal_beat,
    seal_membership,
    seal_report,
    seal_version,
    trusted,
)

SECOND = HISTORY[1]
GENESIS = seal_membership(genesis())
NEXT = seal_membership(admit(genesis(), GENESIS, member(3)))


def refused(
    history: TrustedHistory,
    error: type[PeerError],
    method: Callable[..., object],
    *arguments: object,
    match: str | None = None,
) -> None:
    """`method` is refused with exactly `error`, and the history is what it was."""
    before = (history.head, history.chain, history.membership)
    with pytest.raises(error, match=match) as caught:
        method(*arguments)
    assert type(caught.value) is error
    assert (history.head, history.chain, history.membership) == before
    assert history.head is before[0]


# --- change sets ---------------------------------------------------------------------------------


def test_the_true_history_is_accepted_version_by_version() -> None:
    history = trusted()
    assert history.head == Head(NOWHERE, Manifest())
    for number, envelope in enumerate(ENVELOPES, start=1):
        verified = history.accept(envelope)
        assert verified.position == Position(1, number)
        assert (verified.manifest, verified.envelope) == (STATES[number], envelope)
        assert verified.change_set == HISTORY[number - 1]
        assert history.head == Head(Position(1, number), STATES[number])


def test_a_replay_is_refused() -> None:
    history = trusted(at=2)
    for envelope in ENVELOPES[:2]:
        refused(history, StaleError, history.accept, envelope, match="is not newer")
    history.accept(ENVELOPES[2])


def test_a_version_after_a_gap_is_refused_and_may_come_again() -> None:
    history = trusted(at=1)
    refused(history, GapError, history.accept, ENVELOPES[2], match=r"1\.3 does not follow 1\.1")
    assert GapError.retryable
    history.accept(ENVELOPES[1])
    history.accept(ENVELOPES[2])


@pytest.mark.parametrize("signer", [NODE, OTHER, STRANGER, RECOVERY])
def test_a_version_not_signed_by_the_master_is_refused(signer: SigningKey) -> None:
    history = trusted(at=1)
    refused(history, BadSignatureError, history.accept, seal_version(SECOND, signer))


def test_a_version_signed_by_nobody_is_refused() -> None:
    history = trusted(at=1)
    refused(history, BadSignatureError, history.accept, replace(ENVELOPES[1], signatures=()))


def test_an_altered_version_is_refused() -> None:
    history = trusted(at=1)
    payload = ENVELOPES[1].payload.replace(b"smtp:", b"lmtp:").replace(b"version 2", b"Version 2")
    refused(history, BadSignatureError, history.accept, replace(ENVELOPES[1], payload=payload))


def test_what_the_master_signed_as_something_else_is_no_version() -> None:
    history = trusted(at=1)
    for envelope in (NEXT, seal_beat(beat(1)), seal("text/plain", SECOND.to_bytes(), MASTER)):
        refused(history, MalformedError, history.accept, envelope, match="the envelope holds")
    relabelled = replace(seal_beat(beat(1)), payload_type=ENVELOPES[1].payload_type)
    refused(history, BadSignatureError, history.accept, relabelled)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"cluster": "another"}, WrongClusterError),
        ({"position": Position(0, 2)}, StaleError),
        ({"position": Position(2, 2)}, GapError),
        ({"position": Position(1, 0)}, StaleError),
        ({"position": Position(1, 1)}, StaleError),
        ({"position": Position(1, 3)}, GapError),
        ({"position": Position(1, 2**53)}, GapError),
        ({"parent": STATES[3].digest}, DigestMismatchError),
        ({"result": STATES[3].digest}, DigestMismatchError),
        ({"change": Diff()}, DigestMismatchError),
        ({"change": Diff(SECOND.change.puts * 2)}, MalformedError),
        (
            {"change": replace(SECOND.change, deletes=(ManagedPath("etc/shadow"),))},
            OutOfScopeError,
        ),
        (
            {"change": replace(SECOND.change, deletes=(ManagedPath("etc/pmg/user.conf"),))},
            DigestMismatchError,
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None) or ",".join(value),
)
def test_a_version_that_the_master_signed_wrongly_is_refused(
    change: dict[str, object], error: type[PeerError]
) -> None:
    history = trusted(at=1)
    wrong = replace(SECOND, **change)  # type: ignore[arg-type]
    refused(history, error, history.accept, seal_version(wrong))
    history.accept(ENVELOPES[1])


@pytest.mark.parametrize(
    "change",
    [
        {"path": ManagedPath("etc/shadow")},
        {"path": ManagedPath("etc/pmg/pmg-tls.pem")},
        {"path": ManagedPath("etc/pmg/templates/main.cf.in~")},
        {"mode": 0o4755},
        {"ownership": "root:www-data"},
        {"size": 2**40},
    ],
    ids=repr,
)
def test_an_entry_that_is_not_in_scope_is_refused(change: dict[str, object]) -> None:
    history = trusted(at=1)
    put = replace(SECOND.change.puts[0], **change)  # type: ignore[arg-type]
    wrong = changing(SECOND, Diff((put,)), STATES[1])
    refused(history, OutOfScopeError, history.accept, seal_version(wrong))


def test_a_file_that_is_a_folder_as_well_is_refused() -> None:
    history = trusted(at=1)
    puts = (entry("etc/pmg/acme/a"), entry("etc/pmg/acme/a/b"))
    wrong = changing(SECOND, Diff(puts), STATES[1])
    refused(
        history, OutOfScopeError, history.accept, seal_version(wrong), match="file and a folder"
    )


def test_a_payload_that_is_no_change_set_is_refused_although_the_master_signed_it() -> None:
    history = trusted(at=1)
    kind = ENVELOPES[0].payload_type
    for payload in (b"", b"{}", b"[]", b"\xff", SECOND.to_bytes()[:-1]):
        refused(history, MalformedError, history.accept, seal(kind, payload, MASTER))


def test_the_newest_version_can_be_undone_once() -> None:
    history = trusted(at=1)
    before = history.head
    verified = history.accept(ENVELOPES[1])
    history.undo(verified)
    assert history.head is before
    with pytest.raises(RuntimeError, match=r"1\.2 cannot be undone"):
        history.undo(verified)
    assert history.accept(ENVELOPES[1]) == verified


def test_no_other_version_can_be_undone() -> None:
    history = trusted()
    first = history.accept(ENVELOPES[0])
    second = history.accept(ENVELOPES[1])
    with pytest.raises(RuntimeError, match=r"1\.1 cannot be undone"):
        history.undo(first)
    assert history.head.position == second.position
    history.undo(second)
    with pytest.raises(RuntimeError):
        history.undo(first)
    with pytest.raises(RuntimeError):
        trusted().undo(first)


# --- snapshots -----------------------------------------------------------------------------------


def test_a_snapshot_jumps_over_versions_that_were_never_seen() -> None:
    history = trusted(at=1)
    verified = history.accept_snapshot(ENVELOPES[3], STATES[4])
    assert verified.manifest == STATES[4]
    assert history.head == Head(Position(1, 4), STATES[4])


def test_a_snapshot_may_come_to_an_empty_node() -> None:
    history = trusted()
    history.accept_snapshot(ENVELOPES[2], STATES[3])
    assert history.accept(ENVELOPES[3]).manifest == STATES[4]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_snapshot_at_or_below_the_head_is_refused(number: int) -> None:
    history = trusted(at=3)
    envelope, state = ENVELOPES[number - 1], STATES[number]
    refused(history, StaleError, history.accept_snapshot, envelope, state)


def test_a_snapshot_with_another_manifest_is_refused() -> None:
    history = trusted()
    for state in STATES[:3]:
        refused(history, DigestMismatchError, history.accept_snapshot, ENVELOPES[2], state)


def test_a_snapshot_with_an_entry_out_of_scope_is_refused() -> None:
    history = trusted()
    hostile = Manifest([replace(entry("etc/pmg/domains"), path=ManagedPath("etc/shadow"))])
    envelope = seal_version(replace(SECOND, result=hostile.digest, change=Diff()))
    refused(history, OutOfScopeError, history.accept_snapshot, envelope, hostile)


def test_a_snapshot_with_a_file_that_is_a_folder_is_refused() -> None:
    history = trusted()
    hostile = Manifest([entry("etc/pmg/acme/a"), entry("etc/pmg/acme/a/b")])
    envelope = seal_version(replace(SECOND, result=hostile.digest, change=Diff()))
    refused(history, OutOfScopeError, history.accept_snapshot, envelope, hostile)


@pytest.mark.parametrize(
    "change",
    [
        Diff((), (ManagedPath("etc/shadow"),)),
        Diff((), (ManagedPath("etc/pmg/domains"),)),
        Diff((entry("etc/pmg/mynetworks"),)),
    ],
)
def test_a_snapshot_whose_change_set_says_otherwise_is_refused(change: Diff) -> None:
    history = trusted()
    envelope = seal_version(replace(SECOND, change=change))
    with pytest.raises((OutOfScopeError, DigestMismatchError)):
        history.accept_snapshot(envelope, STATES[2])
    assert history.head == Head()


@pytest.mark.parametrize("signer", [NODE, STRANGER])
def test_a_snapshot_must_be_signed_by_the_master_for_this_cluster(signer: SigningKey) -> None:
    history = trusted()
    foreign = seal_version(replace(SECOND, cluster="another"))
    refused(history, WrongClusterError, history.accept_snapshot, foreign, STATES[2])
    other = seal_version(SECOND, signer)
    refused(history, BadSignatureError, history.accept_snapshot, other, STATES[2])


# --- memberships ---------------------------------------------------------------------------------


def test_the_next_membership_is_accepted_and_the_chain_grows() -> None:
    history = trusted(at=1)
    membership = history.accept_membership(NEXT)
    assert history.membership == membership
    assert history.chain == (GENESIS, NEXT)
    assert history.head.position == Position(1, 1)


def test_a_membership_that_does_not_follow_changes_nothing() -> None:
    history = trusted(at=1)
    later = replace(admit(genesis(), GENESIS, member(3)), serial=3)
    cases: list[tuple[type[PeerError], Envelope]] = [
        (StaleError, GENESIS),
        (GapError, seal_membership(later)),
        (BadSignatureError, seal_membership(admit(genesis(), GENESIS, member(3)), NODE)),
        (WrongClusterError, seal_membership(genesis("another"))),
        (MalformedError, ENVELOPES[0]),
    ]
    for error, envelope in cases:
        refused(history, error, history.accept_membership, envelope)


def test_a_chain_from_the_store_is_walked_link_by_link() -> None:
    history = TrustedHistory([GENESIS, NEXT], Head(Position(1, 2), STATES[2]))
    assert history.membership.serial == 2
    history.accept(ENVELOPES[2])


def test_a_chain_that_was_altered_in_the_store_is_refused() -> None:
    for chain in ([], [NEXT], [GENESIS, GENESIS], [GENESIS, NEXT, NEXT], [NEXT, GENESIS]):
        with pytest.raises(PeerError):
            TrustedHistory(chain)
    with pytest.raises(BadSignatureError):
        TrustedHistory([GENESIS, replace(NEXT, signatures=())])


def test_the_caller_cannot_alter_the_chain_afterwards() -> None:
    chain = [GENESIS]
    history = TrustedHistory(chain)
    chain.append(NEXT)
    assert history.chain == (GENESIS,)


# --- heartbeats and reports ----------------------------------------------------------------------


def test_heartbeats_count_upwards() -> None:
    history = trusted()
    for count in (0, 1, 7):
        assert history.accept_heartbeat(seal_beat(beat(count))).count == count


@pytest.mark.parametrize("count", [0, 6, 7])
def test_a_heartbeat_that_comes_again_is_refused(count: int) -> None:
    history = trusted()
    history.accept_heartbeat(seal_beat(beat(7)))
    refused(history, StaleError, history.accept_heartbeat, seal_beat(beat(count)))
    history.accept_heartbeat(seal_beat(beat(8)))


def test_on_a_new_stream_heartbeats_count_from_anywhere() -> None:
    history = trusted()
    history.accept_heartbeat(seal_beat(beat(7)))
    history.new_stream()
    history.accept_heartbeat(seal_beat(beat(0)))


@pytest.mark.parametrize(
    ("envelope", "error"),
    [
        (seal_beat(beat(9), NODE), BadSignatureError),
        (seal_beat(beat(9), STRANGER), BadSignatureError),
        (seal_beat(beat(9, cluster="another")), WrongClusterError),
        (seal_beat(beat(9, epoch=0)), StaleError),
        (seal_beat(beat(9, epoch=2)), GapError),
        (ENVELOPES[0], MalformedError),
    ],
)
def test_a_heartbeat_that_does_not_count_leaves_no_count(
    envelope: Envelope, error: type[PeerError]
) -> None:
    history = trusted()
    refused(history, error, history.accept_heartbeat, envelope)
    history.accept_heartbeat(seal_beat(beat(1)))


def test_a_report_is_believed_from_the_member_that_it_speaks_of() -> None:
    assert trusted().accept_report(seal_report(report()), member(2)) == report()


@pytest.mark.parametrize(
    ("envelope", "sender", "error"),
    [
        (seal_report(report(cid=1)), member(2), BadSignatureError),
        (seal_report(report(), OTHER), member(2), BadSignatureError),
        (seal_report(report(), MASTER), member(2), BadSignatureError),
        (seal_report(report()), member(3), BadSignatureError),
        (seal_report(report()), member(2, joined=False), BadSignatureError),
        (seal_report(report(cluster="another")), member(2), WrongClusterError),
        (seal_beat(beat(1), NODE), member(2), MalformedError),
    ],
)
def test_any_other_report_is_refused(
    envelope: Envelope, sender: object, error: type[PeerError]
) -> None:
    history = trusted()
    refused(history, error, history.accept_report, envelope, sender)


# --- the door ------------------------------------------------------------------------------------


def test_a_verified_change_set_cannot_be_made_outside() -> None:
    change_set: ChangeSet = SECOND
    for door in (None, object(), "door"):
        with pytest.raises(RuntimeError, match="TrustedHistory only"):
            VerifiedChangeSet(change_set, ENVELOPES[1], STATES[2], door)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        VerifiedChangeSet(change_set, ENVELOPES[1], STATES[2])  # type: ignore[call-arg]


def test_a_verified_change_set_cannot_be_altered_into_another() -> None:
    verified = trusted().accept(ENVELOPES[0])
    with pytest.raises((TypeError, ValueError), match="door"):
        replace(verified, manifest=STATES[3])  # type: ignore[call-arg]
    with pytest.raises(FrozenInstanceError):
        verified.manifest = STATES[3]  # type: ignore[misc]
    assert not hasattr(verified, "door")
    assert copy.copy(verified) == verified


def test_content_must_have_the_digest_that_was_signed() -> None:
    assert verify_content(b"content", digest_of(b"content")) == b"content"
    with pytest.raises(DigestMismatchError):
        verify_content(b"Content", digest_of(b"content"))
