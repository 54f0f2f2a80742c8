"""Memberships: who belongs, who is let in, and which document follows on which."""

import json
import re
from dataclasses import replace

import pytest

from pmgsync.errors import (
    BadSignatureError,
    GapError,
    InvalidError,
    MalformedError,
    StaleError,
    WrongClusterError,
)
from pmgsync.model.envelope import Envelope
from pmgsync.model.keys import SigningKey
from pmgsync.model.manifest import Digest, digest_of
from pmgsync.model.membership import (
    MEMBERSHIP_TYPE,
    Former,
    Member,
    MemberKeys,
    Membership,
    admit,
    follows,
    found,
    place_for,
    remove,
)
from pmgsync.model.pmg_node import MAX_CID, PmgKeys
from pmgsync.model.trust import genesis_of
from tests.unit.model.sample import (
    CLUSTER,
    MASTER,
    NODE,
    OTHER,
    RECOVERY,
    STRANGER,
    genesis,
    key,
    member,
    seal_membership,
)

GENESIS = genesis()
ENVELOPE = seal_membership(GENESIS)
NEXT = admit(GENESIS, ENVELOPE, member(3))
NEWCOMER = replace(member(4), name="mx4")


# --- members -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"cid": 0},
        {"cid": -1},
        {"cid": MAX_CID + 1},
        {"port": 0},
        {"port": 65536},
        {"name": "no name"},
        {"name": "mx1\n"},
        {"address": "mx1.example"},
        {"address": "fe80::1%a\nmaster: 9"},
    ],
    ids=repr,
)
def test_a_member_out_of_bounds_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(MalformedError):
        replace(member(1), **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["AAAA BBBB", "A\nmaster: 9", "A\t", "é", "A" * 4097, "\0", "#"])
def test_pmgs_keys_hold_nothing_that_ends_a_word_or_line_elsewhere(text: str) -> None:
    for name in ("fingerprint", "host_rsa", "root_rsa"):
        with pytest.raises(MalformedError, match="is not a key or fingerprint"):
            replace(PmgKeys("", "", ""), **{name: text})


def test_members_are_equal_if_all_they_say_is() -> None:
    assert member(1) == member(1)
    assert member(1) != member(1, joined=False)
    assert len({member(1), member(1), member(2)}) == 2


def test_a_member_is_labelled_by_name_and_cid() -> None:
    assert member(2).label == "mx2(2)"


@pytest.mark.parametrize("joined", [True, False])
def test_a_member_survives_json(joined: bool) -> None:
    said = json.loads(json.dumps(member(2, joined=joined).to_json()))
    assert Member.from_json(said) == member(2, joined=joined)


@pytest.mark.parametrize(
    "change",
    [
        {"cid": 0},
        {"cid": "1"},
        {"identity": None},
        {"certificate": None},
        {"identity": "AAAA"},
        {"pmg": []},
        {"pmg": ["", "", "", ""]},
        {"pmg": ["", "", None]},
        {"address": "::1%1"},
        {"surplus": 1},
    ],
    ids=repr,
)
def test_a_member_of_another_form_is_malformed(change: dict[str, object]) -> None:
    said = {**json.loads(json.dumps(member(2).to_json())), **change}
    with pytest.raises(MalformedError):
        Member.from_json(said)


# --- documents -----------------------------------------------------------------------------------


def test_a_founded_cluster_begins_with_epoch_and_serial_one() -> None:
    assert (GENESIS.epoch, GENESIS.serial, GENESIS.parent) == (1, 1, None)
    assert GENESIS.master_member == member(1)
    assert GENESIS.master_key == MASTER.public_key
    adopted = found(CLUSTER, (member(7),), master=7, max_cid=3, recovery=RECOVERY.public_key)
    assert adopted.max_cid == 7


def test_a_membership_survives_its_bytes() -> None:
    for membership in (GENESIS, NEXT):
        assert Membership.from_bytes(membership.to_bytes()) == membership


def test_members_are_found_by_cid_name_and_certificate() -> None:
    assert GENESIS.member(2).name == "mx2"
    assert GENESIS.named("mx3") == GENESIS.named("MX3") == member(3, joined=False)
    assert GENESIS.named("mx9") is None
    assert GENESIS.holder_of(digest_of(b"certificate 2")) == member(2)
    assert GENESIS.holder_of(digest_of(b"certificate 3")) is None
    with pytest.raises(KeyError):
        GENESIS.member(9)


def test_what_contradicts_itself_is_no_membership() -> None:
    keys_of_1 = member(1).keys
    assert keys_of_1 is not None
    same_identity = MemberKeys(keys_of_1.identity, b"another certificate")
    same_certificate = MemberKeys(OTHER.public_key, keys_of_1.certificate)
    for members, reason in [
        ((member(1), member(1)), "twice"),
        ((member(1), member(2, name="mx1")), "twice"),
        ((member(1), member(2, name="MX1")), "twice"),
        ((member(1), replace(member(2), keys=same_identity)), "same key"),
        ((member(1), replace(member(2), keys=same_certificate)), "same key"),
        ((member(1), member(4)), "above its max_cid"),
        ((member(2),), "no master"),
        ((member(1, joined=False), member(2)), "no master"),
        ((), "no master"),
    ]:
        with pytest.raises(MalformedError, match=reason):
            replace(GENESIS, members=members)


def test_a_membership_has_a_limited_number_of_members() -> None:
    said = {**json.loads(GENESIS.to_bytes()), "members": [None] * 10_001}
    with pytest.raises(MalformedError, match="more than 10000 members"):
        Membership.from_bytes(json.dumps(said).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"cluster": None},
        {"epoch": -1},
        {"serial": "1"},
        {"parent": "x"},
        {"parent": 1},
        {"master": 0},
        {"maxcid": 2},
        {"maxcid": MAX_CID + 1},
        {"recovery": None},
        {"recovery": "AAAA"},
        {"members": {}},
        {"members": [1]},
        {"surplus": 1},
    ],
    ids=repr,
)
def test_a_membership_of_another_form_is_malformed(change: dict[str, object]) -> None:
    said = {**json.loads(GENESIS.to_bytes()), **change}
    with pytest.raises(MalformedError):
        Membership.from_bytes(json.dumps(said).encode())


# --- letting in ----------------------------------------------------------------------------------


def test_a_place_is_the_old_one_the_reserved_one_or_a_new_one() -> None:
    assert place_for(GENESIS, "mx2") == 2
    assert place_for(GENESIS, "mx3") == 3
    assert place_for(GENESIS, "MX3") == 3
    assert place_for(GENESIS, "new") == 4
    assert place_for(replace(GENESIS, max_cid=9), "new") == 10


def test_a_newcomer_stands_in_the_next_membership() -> None:
    admitted = admit(GENESIS, ENVELOPE, NEWCOMER)
    assert (admitted.serial, admitted.parent, admitted.max_cid) == (2, ENVELOPE.digest, 4)
    assert [m.cid for m in admitted.members] == [1, 2, 3, 4]
    assert follows(GENESIS, ENVELOPE, seal_membership(admitted)) == admitted


def test_an_expected_member_gets_its_keys() -> None:
    assert GENESIS.member(3).keys is None
    assert NEXT.member(3).keys == member(3).keys
    assert NEXT.max_cid == 3


def test_a_node_that_comes_back_keeps_its_cid_and_its_old_keys_are_dead() -> None:
    fresh = MemberKeys(key(42).public_key, b"certificate 42")
    back = admit(GENESIS, ENVELOPE, replace(member(2), keys=fresh))
    assert back.member(2).keys == fresh
    assert back.holder_of(digest_of(b"certificate 2")) is None


@pytest.mark.parametrize(
    ("newcomer", "reason"),
    [
        (replace(NEWCOMER, address="127.0.0.2"), "has the address"),
        (replace(NEWCOMER, keys=member(2).keys), "the same key"),
        (replace(NEWCOMER, keys=MemberKeys(NODE.public_key, b"other")), "the same key"),
        (replace(NEWCOMER, keys=MemberKeys(OTHER.public_key, b"certificate 2")), "the same key"),
        (replace(member(1), keys=NEWCOMER.keys), "has the place"),
        (member(1), "has the place"),
        (replace(NEWCOMER, cid=2), "has the place"),
        (replace(NEWCOMER, cid=3), "has the place"),
        (replace(NEWCOMER, name="mx2"), "a cid or a name twice"),
    ],
)
def test_a_newcomer_takes_nothing_that_belongs_to_another(newcomer: Member, reason: str) -> None:
    with pytest.raises((InvalidError, MalformedError), match=reason):
        admit(GENESIS, ENVELOPE, newcomer)


def test_an_address_is_the_same_in_every_spelling() -> None:
    base = replace(
        GENESIS, members=(member(1), replace(member(2), address="2001:db8::1"), GENESIS.members[2])
    )
    with pytest.raises(InvalidError, match="has the address"):
        admit(base, ENVELOPE, replace(NEWCOMER, address="2001:0DB8:0::1"))


# --- the chain -----------------------------------------------------------------------------------


def test_a_genesis_is_signed_by_its_own_master() -> None:
    assert genesis_of(ENVELOPE) == GENESIS
    with pytest.raises(BadSignatureError):
        genesis_of(seal_membership(GENESIS, NODE))
    for later in (
        replace(GENESIS, serial=2),
        replace(GENESIS, epoch=2),
        replace(GENESIS, parent=ENVELOPE.digest),
        NEXT,
    ):
        with pytest.raises(MalformedError, match="does not begin with a genesis"):
            genesis_of(seal_membership(later))


def test_the_next_membership_follows() -> None:
    assert follows(GENESIS, ENVELOPE, seal_membership(NEXT)) == NEXT


@pytest.mark.parametrize("signer", [NODE, OTHER, STRANGER, RECOVERY])
def test_a_membership_not_signed_by_the_master_is_refused(signer: SigningKey) -> None:
    with pytest.raises(BadSignatureError):
        follows(GENESIS, ENVELOPE, seal_membership(NEXT, signer))


def test_a_membership_signed_by_nobody_is_refused() -> None:
    with pytest.raises(BadSignatureError):
        follows(GENESIS, ENVELOPE, replace(seal_membership(NEXT), signatures=()))


def test_another_clusters_membership_is_refused() -> None:
    with pytest.raises(WrongClusterError) as caught:
        follows(GENESIS, ENVELOPE, seal_membership(replace(NEXT, cluster="other\nroot: fine")))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("stale", [GENESIS, replace(GENESIS, serial=0), replace(NEXT, epoch=0)])
def test_a_membership_that_is_not_newer_is_refused(stale: Membership) -> None:
    with pytest.raises(StaleError):
        follows(GENESIS, ENVELOPE, seal_membership(stale))


@pytest.mark.parametrize(
    "far", [replace(NEXT, serial=3), replace(NEXT, epoch=2), replace(NEXT, epoch=2, serial=1)]
)
def test_a_membership_with_a_link_missing_or_of_another_epoch_is_refused(far: Membership) -> None:
    with pytest.raises(GapError):
        follows(GENESIS, ENVELOPE, seal_membership(far))


@pytest.mark.parametrize("parent", [None, digest_of(b"another"), digest_of(GENESIS.to_bytes()[1:])])
def test_a_membership_on_another_predecessor_is_refused(
    parent: Digest | None,
) -> None:
    other = replace(NEXT, parent=parent)
    with pytest.raises(GapError, match="another predecessor"):
        follows(GENESIS, ENVELOPE, seal_membership(other))


@pytest.mark.parametrize(
    "change",
    [
        {"master": 2},
        {"max_cid": 2, "members": NEXT.members[:2]},
    ],
    ids=["master", "max_cid"],
)
def test_within_an_epoch_the_master_stays_and_no_cid_is_taken_back(
    change: dict[str, object],
) -> None:
    hostile = replace(NEXT, **change)  # type: ignore[arg-type]
    with pytest.raises(MalformedError):
        follows(GENESIS, ENVELOPE, seal_membership(hostile))


def test_a_cid_is_never_given_twice() -> None:
    without = replace(NEXT, members=NEXT.members[:2])
    removed = seal_membership(without)
    assert follows(GENESIS, ENVELOPE, removed) == without
    again = replace(without, serial=3, parent=removed.digest, members=NEXT.members)
    with pytest.raises(MalformedError, match="a cid for the second time"):
        follows(without, removed, seal_membership(again))


def removal(base: Membership, cid: int) -> tuple[Membership, Envelope]:
    """The link that removes a member, and its envelope."""
    left = remove(base, seal_membership(base), cid, now=1_700_000_000_000)
    return left, seal_membership(left)


def test_a_removed_member_is_remembered_and_gone() -> None:
    left, envelope = removal(NEXT, 2)
    assert follows(NEXT, seal_membership(NEXT), envelope) == left
    assert [m.cid for m in left.members] == [1, 3]
    assert (left.former, left.max_cid, left.created) == ((Former(2, "mx2"),), 3, 1_700_000_000_000)
    assert left.holder_of(digest_of(b"certificate 2")) is None
    assert Membership.from_bytes(left.to_bytes()) == left


def test_a_removed_member_gets_its_cid_back_by_its_name() -> None:
    left, envelope = removal(NEXT, 2)
    assert place_for(left, "MX2") == 2
    fresh = replace(member(2), keys=MemberKeys(key(42).public_key, b"certificate 42"))
    back = admit(left, envelope, fresh)
    assert (back.former, back.member(2).keys) == ((), fresh.keys)
    assert follows(left, envelope, seal_membership(back)) == back


def test_the_cid_of_a_removed_member_is_given_to_no_other_name() -> None:
    left, envelope = removal(NEXT, 2)
    thief = admit(left, envelope, replace(member(2), name="thief"))
    with pytest.raises(MalformedError, match="a cid for the second time"):
        follows(left, envelope, seal_membership(thief))
    forgotten = replace(thief, former=())
    with pytest.raises(MalformedError, match="a cid for the second time"):
        follows(left, envelope, seal_membership(forgotten))


def test_the_master_cannot_be_removed() -> None:
    with pytest.raises(InvalidError, match=r"is the master.*promote"):
        remove(NEXT, seal_membership(NEXT), 1)


@pytest.mark.parametrize(
    "former",
    [
        (Former(2, "mx9"),),  # a member's cid
        (Former(9, "MX2"),),  # a member's name
        (Former(3, "a"), Former(3, "b")),
        (Former(4, "a"),),  # above max_cid
    ],
)
def test_former_members_are_nobody_else(former: tuple[Former, ...]) -> None:
    with pytest.raises(MalformedError):
        replace(GENESIS, members=GENESIS.members[:2], former=former)


@pytest.mark.parametrize(("cid", "name"), [(0, "a"), (MAX_CID + 1, "a"), (1, "a b"), (1, "")])
def test_a_former_member_has_a_cid_and_a_name(cid: int, name: str) -> None:
    with pytest.raises(MalformedError):
        Former(cid, name)


def test_documents_without_former_members_and_date_have_the_bytes_they_had() -> None:
    assert b"former" not in GENESIS.to_bytes()
    assert b"created" not in GENESIS.to_bytes()
    dated = replace(GENESIS, created=5)
    assert Membership.from_bytes(dated.to_bytes()) == dated


def test_a_full_cluster_can_still_change() -> None:
    full = replace(GENESIS, max_cid=MAX_CID)
    envelope = seal_membership(full)
    later = admit(full, envelope, member(3))
    assert follows(full, envelope, seal_membership(later)) == later


def test_an_envelope_of_another_type_holds_no_membership() -> None:
    with pytest.raises(MalformedError, match=re.escape(MEMBERSHIP_TYPE)):
        follows(GENESIS, ENVELOPE, replace(seal_membership(NEXT), payload_type="other"))
