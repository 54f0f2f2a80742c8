"""Strategies: values of the model as Hypothesis draws them."""

import base64
import string

from hypothesis import strategies as st

from pmgsync.errors import OutOfScopeError
from pmgsync.model.changeset import ChangeSet, Position, diff
from pmgsync.model.envelope import Envelope, Signature
from pmgsync.model.heartbeat import Heartbeat
from pmgsync.model.joining import JoinRequest
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import Digest, FileEntry, Manifest
from pmgsync.model.membership import Member, MemberKeys, Membership
from pmgsync.model.paths import ManagedPath
from pmgsync.model.pmg_node import MAX_CID, PmgKeys
from pmgsync.model.report import MAX_NOTES, Outcome, Report
from pmgsync.model.scope import rule_for

ROOT_FILES = ["pmg.conf", "domains", "transport", "user.conf", "fetchmailrc", "dkim/domains"]
FOLDERS = ["dkim", "templates", "pbs", "acme", "acme/accounts"]
KEYS = [SigningKey(bytes([n]) * 32) for n in range(1, 9)]

counts = st.integers(0, 2**53)
texts = st.text(max_size=40)
digests = st.text("0123456789abcdef", min_size=64, max_size=64).map(Digest)
printables = st.text(st.characters(blacklist_categories=("C", "Z")), max_size=40)


def _in_scope(path: str) -> bool:
    try:
        return rule_for(ManagedPath(path)) is not None
    except OutOfScopeError:
        return False


_names = st.text(min_size=1, max_size=12).filter(lambda name: name != "accounts")
_below = st.tuples(st.sampled_from(FOLDERS), _names).map("/".join)
paths = (
    st.one_of(st.sampled_from(ROOT_FILES), _below)
    .map("etc/pmg/{}".format)
    .filter(_in_scope)
    .map(ManagedPath)
)
entries = st.builds(FileEntry.of, paths, st.binary(max_size=20))
manifests = st.lists(entries, max_size=12).map(Manifest)

_words = st.text(string.ascii_lowercase, min_size=1, max_size=3)
loose_entries = st.builds(
    FileEntry,
    path=st.text("ab/ :\n0", min_size=1, max_size=6)
    .filter(lambda text: "\n" not in text and "//" not in text and text.strip("/") == text)
    .map(ManagedPath),
    digest=st.sampled_from([Digest("0" * 64), Digest("1" * 64)]),
    size=st.integers(0, 20),
    mode=st.integers(0, 0o7777),
    ownership=st.tuples(_words, _words).map(":".join),
)
"""Entries of the right form, whether in scope or not, and alike enough to be mistaken."""
loose_manifests = st.lists(loose_entries, max_size=4).map(Manifest)

positions = st.builds(Position, counts, counts)
public_keys = st.sampled_from(KEYS).map(lambda key: key.public_key)


@st.composite
def change_sets(draw: st.DrawFn) -> ChangeSet:
    base, target = draw(manifests), draw(manifests)
    return ChangeSet(
        cluster=draw(texts),
        position=draw(positions),
        parent=base.digest,
        result=target.digest,
        change=diff(base, target),
        created=draw(counts),
        message=draw(st.text(max_size=200)),
    )


heartbeats = st.builds(Heartbeat, texts, positions, digests, counts, counts)
reports = st.builds(
    Report,
    cluster=texts,
    cid=counts,
    active=positions,
    manifest=digests,
    wanted=positions,
    outcome=st.sampled_from(Outcome),
    detail=printables,
    notes=st.lists(printables, max_size=MAX_NOTES).map(tuple),
    milliseconds=counts,
)

_pmg_key = st.text(string.ascii_letters + string.digits + "./+=:_-", max_size=20)
pmg_keys = st.builds(PmgKeys, _pmg_key, _pmg_key, _pmg_key)
node_names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
ports = st.integers(1, 65535)


@st.composite
def memberships(draw: st.DrawFn) -> Membership:
    names = draw(st.lists(node_names, min_size=1, max_size=len(KEYS), unique=True))
    members = tuple(
        Member(
            cid,
            name,
            draw(addresses),
            draw(ports),
            draw(pmg_keys),
            MemberKeys(KEYS[cid - 1].public_key, b"certificate %d" % cid)
            if cid == 1 or draw(st.booleans())
            else None,
        )
        for cid, name in enumerate(names, start=1)
    )
    return Membership(
        cluster=draw(texts),
        epoch=draw(counts),
        serial=draw(counts),
        parent=draw(st.none() | digests),
        master=1,
        max_cid=draw(st.integers(len(names), MAX_CID)),
        recovery=draw(public_keys),
        members=members,
        created=draw(st.none() | counts),
    )


join_requests = st.builds(
    JoinRequest,
    name=node_names,
    address=addresses,
    port=ports,
    identity=st.just(KEYS[0].public_key),
    certificate=st.binary(max_size=200),
    pmg=pmg_keys,
)
envelopes = st.builds(
    Envelope,
    texts,
    st.binary(max_size=200),
    st.lists(st.builds(Signature, texts, st.binary(max_size=80)), max_size=4).map(tuple),
)

json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(allow_nan=True),
        st.text(max_size=20),
        st.sampled_from(["\ud800", "a\n", "1.1", "0" * 64, "etc/pmg/domains", "../a", "AAAA"]),
        st.binary(max_size=40).map(lambda data: base64.b64encode(data).decode()),
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
