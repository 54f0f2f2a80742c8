"""Every document survives its bytes; anything else gets a clear refusal, and nothing but that."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pmgsync.errors import MalformedError, PeerError, PmgsyncError
from pmgsync.host.keyring import pairs_in
from pmgsync.model import canonical
from pmgsync.model.changeset import ChangeSet, Position
from pmgsync.model.envelope import Envelope, seal
from pmgsync.model.heartbeat import Heartbeat
from pmgsync.model.joining import JOIN_REQUEST_TYPE, JoinRequest, Token
from pmgsync.model.keys import PublicKey, SigningKey
from pmgsync.model.manifest import FileEntry, Manifest, parse_digest
from pmgsync.model.membership import Member, Membership
from pmgsync.model.paths import ManagedPath, printable
from pmgsync.model.rekeying import KeyChange
from pmgsync.model.report import Report
from pmgsync.model.status import ClusterStatus, NodeState, NodeStatus
from pmgsync.model.trust import genesis_of
from pmgsync.model.validity import ends_at
from pmgsync.wire.certificates import make_certificate, to_der
from tests.property.values import (
    KEYS,
    change_sets,
    counts,
    digests,
    envelopes,
    heartbeats,
    join_requests,
    json_values,
    manifests,
    memberships,
    positions,
    printables,
    reports,
    texts,
)
from tests.unit.model import sample

TOKEN = Token(b"s" * 16, sample.STATES[0].digest)

node_statuses = st.builds(
    NodeStatus,
    cid=counts,
    name=texts,
    address=texts,
    role=texts,
    state=st.sampled_from(NodeState),
    applied=st.none() | counts,
    wanted=counts,
    lag_ms=counts,
    last_contact=st.none() | counts,
    took_ms=st.none() | counts,
    detail=printables,
    notes=st.lists(printables, max_size=3).map(tuple),
)
statuses = st.builds(
    ClusterStatus,
    cluster=texts,
    epoch=counts,
    version=counts,
    manifest=texts,
    files=counts,
    published=st.none() | counts,
    as_of=counts,
    nodes=st.lists(node_statuses, max_size=3).map(tuple),
    attention=st.lists(printables, max_size=3).map(tuple),
)


# --- what is written is what is read -------------------------------------------------------------


@given(change_sets())
def test_a_change_set_survives_its_bytes(value: ChangeSet) -> None:
    assert ChangeSet.from_bytes(value.to_bytes()) == value


@given(memberships())
def test_a_membership_survives_its_bytes(value: Membership) -> None:
    assert Membership.from_bytes(value.to_bytes()) == value


@given(heartbeats)
def test_a_heartbeat_survives_its_bytes(value: Heartbeat) -> None:
    assert Heartbeat.from_bytes(value.to_bytes()) == value


@given(reports)
def test_a_report_survives_its_bytes(value: Report) -> None:
    assert Report.from_bytes(value.to_bytes()) == value


@given(manifests)
def test_a_manifest_survives_its_bytes(value: Manifest) -> None:
    assert Manifest.from_bytes(value.to_bytes(), expected=value.digest) == value


@given(join_requests)
def test_a_join_request_survives_its_envelope(value: JoinRequest) -> None:
    envelope = seal(JOIN_REQUEST_TYPE, value.to_bytes(), KEYS[0])
    assert JoinRequest.from_envelope(Envelope.from_bytes(envelope.to_bytes())) == value


@given(envelopes)
def test_an_envelope_survives_its_bytes(value: Envelope) -> None:
    assert Envelope.from_bytes(value.to_bytes()) == value
    assert value.to_bytes() == canonical.encode(json.loads(value.to_bytes()))


@given(statuses)
def test_a_status_survives_json(value: ClusterStatus) -> None:
    assert ClusterStatus.from_json(json.loads(json.dumps(value.to_json()))) == value


@given(positions)
def test_a_position_survives_its_text(value: Position) -> None:
    assert Position.parse(str(value)) == value


@given(st.binary(min_size=16, max_size=16), digests)
def test_a_token_survives_its_text(secret: bytes, certificate: str) -> None:
    token = replace(TOKEN, secret=secret, certificate=parse_digest(certificate))
    assert Token.from_text(token.to_text()) == token


@given(st.one_of(change_sets(), memberships(), heartbeats, reports, manifests))
def test_a_document_has_one_byte_form(
    value: ChangeSet | Membership | Heartbeat | Report | Manifest,
) -> None:
    data = value.to_bytes()
    assert canonical.encode(json.loads(data)) == data


# --- what is not ours is refused -----------------------------------------------------------------


def _from_json(data: bytes) -> object:
    return canonical.decode(data, "a document")


def _of_text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: read(data.decode("utf-8", "surrogateescape"))


def _of_value(read: Callable[[object], object]) -> Callable[[bytes], object]:
    def read_json(data: bytes) -> object:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            value = None
        return read(value)

    return read_json


def _manifest(data: bytes) -> Manifest:
    return Manifest.from_bytes(data, expected=sample.STATES[2].digest)


def _signed(kind: str, read: Callable[[Envelope], object]) -> Callable[[bytes], object]:
    return lambda data: read(seal(kind, data, sample.MASTER))


_KEYS = sample.member(2).keys
assert _KEYS is not None
_KEY_CHANGE = KeyChange(sample.CLUSTER, 2, sample.STATES[0].digest, _KEYS)
_SPARE_KEYS = json.dumps(
    [{"identity": "AQ" * 21 + "A=", "tls_key": "key", "tls_certificate": "certificate"}]
).encode()

READERS: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "canonical": (_from_json, b'{"a":1}'),
    "envelope": (Envelope.from_bytes, sample.ENVELOPES[1].to_bytes()),
    "change set": (ChangeSet.from_bytes, sample.HISTORY[1].to_bytes()),
    "membership": (Membership.from_bytes, sample.genesis().to_bytes()),
    "genesis": (_signed("x", genesis_of), sample.genesis().to_bytes()),
    "heartbeat": (Heartbeat.from_bytes, sample.beat(1).to_bytes()),
    "report": (Report.from_bytes, sample.report().to_bytes()),
    "manifest": (_manifest, sample.STATES[2].to_bytes()),
    "join request": (
        _signed(JOIN_REQUEST_TYPE, JoinRequest.from_envelope),
        JoinRequest(
            "mx1", "192.0.2.1", 9443, sample.MASTER.public_key, b"c", sample.PMG_KEYS
        ).to_bytes(),
    ),
    "signed version": (
        _signed(
            sample.ENVELOPES[1].payload_type, lambda sealed: sample.trusted(at=1).accept(sealed)
        ),
        sample.HISTORY[1].to_bytes(),
    ),
    "status": (_of_value(ClusterStatus.from_json), b'{"nodes":[{"state":"away","notes":[]}]}'),
    "member": (_of_value(Member.from_json), json.dumps(sample.member(1).to_json()).encode()),
    "entry": (
        _of_value(FileEntry.from_json),
        json.dumps(sample.entry("etc/pmg/domains").to_json()).encode(),
    ),
    "position": (_of_text(Position.parse), b"1.42"),
    "path": (_of_text(ManagedPath), b"etc/pmg/domains"),
    "key change": (KeyChange.from_bytes, _KEY_CHANGE.to_bytes()),
    "spare keys": (lambda data: pairs_in(data, Path("spare-keys.json")), _SPARE_KEYS),
    "certificate's end": (ends_at, to_der(make_certificate("mx1", 1_800_000_000_000)[1])),
    "token": (_of_text(Token.from_text), TOKEN.to_text().encode()),
    "key": (_of_text(PublicKey.from_text), sample.MASTER.public_key.to_text().encode()),
}


def refuse_or_read(name: str, data: bytes) -> None:
    """Reading gives a value or one of our errors in one printable line, and nothing else."""
    refusal = ""
    try:
        READERS[name][0](data)
    except PmgsyncError as error:
        refusal = str(error)
    assert refusal.isprintable(), ascii(refusal)
    assert len(refusal.encode()) < 5000


@pytest.mark.parametrize("name", READERS)
@given(data=st.binary(max_size=300))
def test_row_16_any_bytes_are_read_or_refused(name: str, data: bytes) -> None:
    refuse_or_read(name, data)


@pytest.mark.parametrize("name", READERS)
@given(value=json_values)
def test_any_json_is_read_or_refused(name: str, value: object) -> None:
    refuse_or_read(name, json.dumps(value).encode())


def _replace_within(document: object, choose: Callable[[int], int], new: object) -> object:
    """`document` with one part of it, somewhere, replaced by `new`."""
    if isinstance(document, dict) and document and choose(4):
        name = list(document)[choose(len(document))]
        return {**document, name: _replace_within(document[name], choose, new)}
    if isinstance(document, list) and document and choose(4):
        index = choose(len(document))
        inner = _replace_within(document[index], choose, new)
        return [*document[:index], inner, *document[index + 1 :]]
    return new


DOCUMENTS = [name for name, (_, good) in READERS.items() if good.startswith((b"{", b"["))]


@pytest.mark.parametrize("name", DOCUMENTS)
@given(data=st.data())
def test_a_good_document_with_a_strange_part_is_read_or_refused(
    name: str, data: st.DataObject
) -> None:
    document = json.loads(READERS[name][1])
    if isinstance(document, dict) and data.draw(st.integers(0, 9)) == 0:
        document[data.draw(st.text(max_size=5))] = None
    strange = _replace_within(
        document, lambda n: data.draw(st.integers(0, n - 1)), data.draw(json_values)
    )
    refuse_or_read(name, json.dumps(strange).encode())


@pytest.mark.parametrize("name", READERS)
def test_a_document_cut_anywhere_is_read_or_refused(name: str) -> None:
    good = READERS[name][1]
    for end in range(len(good)):
        refuse_or_read(name, good[:end])


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "data",
    [
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' + b"[" * 900 + b"]" * 900 + b"}",
        b"9" * 5000,
        b'{"epoch":' + b"9" * 4200 + b"}",
        b'{"signatures":[' + b"[]," * 1000 + b"[]]}",
        b'"' + b"\\ud800" * 100 + b'"',
        b"\xed\xa0\x80",
        b"\0" * 1000,
    ],
    ids=lambda data: ascii(data[:12]),
)
def test_depth_length_and_half_characters_are_refused(name: str, data: bytes) -> None:
    refuse_or_read(name, data)


@given(json_values)
def test_what_is_read_as_canonical_can_be_written_again(value: object) -> None:
    data = json.dumps({"a": value}).encode()
    try:
        fields = canonical.decode(data, "a document")
    except MalformedError:
        return
    kind = type(value)
    written = canonical.encode({"a": fields.take("a", kind)})  # type: ignore[dict-item]
    assert json.loads(written) == {"a": value}


@given(st.text())
def test_anything_can_be_shown_on_one_line(text: str) -> None:
    shown = printable(text + "\ud800\n")
    assert shown.isprintable()
    shown.encode()


@settings(max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=80), st.binary(max_size=80))
def test_any_key_and_signature_are_only_right_or_wrong(
    raw: bytes, signature: bytes, message: bytes
) -> None:
    assert PublicKey(raw).verifies(signature, message) in (True, False)
    key = SigningKey(raw)
    assert key.public_key.verifies(key.sign(message), message)


def test_a_peers_fault_is_a_peer_error() -> None:
    assert issubclass(MalformedError, PeerError)
