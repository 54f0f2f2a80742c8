"""How a cluster begins, alone or on top of PMG's own."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.errors import InvalidError, MalformedError, OperatorError, UsageError
from pmgsync.master.founding import (
    Founder,
    found_cluster,
    recovery_key,
    recovery_keys,
    recovery_text,
    refounded,
)
from pmgsync.model.changeset import Position
from pmgsync.model.keys import SigningKey
from pmgsync.model.membership import Base, place_for
from pmgsync.model.pmg_node import PmgKeys
from pmgsync.model.trust import Head, TrustedHistory
from pmgsync.pmgconf.cluster_conf import (
    ClusterConf,
    ClusterNode,
    dump_cluster_conf,
    means,
    parse_cluster_conf,
)
from tests.unit.model import sample

KEYS = PmgKeys(":".join(["AB"] * 32), "A" * 372, "B" * 372)
FOUNDER = Founder("mx1", "192.0.2.1", 8107, KEYS, sample.MASTER, b"certificate 1")
CONF = ClusterConf(
    3,
    7,
    (
        ClusterNode(2, "mx2", "192.0.2.2", replace(KEYS, host_rsa="C" * 372)),
        ClusterNode(3, "mx1", "192.0.2.33", KEYS),
    ),
)
EXISTING = b"# PMG wrote this\n" + dump_cluster_conf(CONF)


def test_a_first_node_founds_alone() -> None:
    founding = found_cluster(FOUNDER, "c1", sample.RECOVERY, None)
    (member,) = founding.membership.members
    assert (member.cid, member.name, member.address, member.port) == (1, "mx1", "192.0.2.1", 8107)
    assert founding.membership.master == founding.membership.max_cid == 1
    assert founding.membership.recovery == sample.RECOVERY.public_key
    assert founding.cluster_conf is not None
    assert means(founding.cluster_conf, founding.membership)


def test_the_genesis_can_be_believed() -> None:
    founding = found_cluster(FOUNDER, "c1", sample.RECOVERY, EXISTING)
    assert TrustedHistory([founding.envelope]).membership == founding.membership


@pytest.mark.parametrize("empty", [b"", b"# nothing\n"])
def test_an_empty_file_is_no_cluster(empty: bytes) -> None:
    founding = found_cluster(FOUNDER, "c1", sample.RECOVERY, empty)
    assert founding.cluster_conf is not None


def test_pmgs_cluster_is_adopted_as_it_is() -> None:
    founding = found_cluster(FOUNDER, "c1", sample.RECOVERY, EXISTING)
    assert founding.cluster_conf is None
    membership = founding.membership
    assert (membership.master, membership.max_cid) == (3, 7)
    assert [(m.cid, m.name, m.address) for m in membership.members] == [
        (2, "mx2", "192.0.2.2"),
        (3, "mx1", "192.0.2.33"),
    ]
    assert membership.member(2).keys is None
    assert membership.member(3).keys is not None
    assert means(EXISTING, membership)


def test_the_name_of_the_master_may_differ_in_case() -> None:
    founding = found_cluster(replace(FOUNDER, name="MX1"), "c1", sample.RECOVERY, EXISTING)
    assert founding.membership.master_member.name == "mx1"


def test_only_the_master_may_found() -> None:
    with pytest.raises(OperatorError) as caught:
        found_cluster(replace(FOUNDER, name="mx2"), "c1", sample.RECOVERY, EXISTING)
    line = str(caught.value)
    assert "mx1" in line
    assert "mx2" in line
    assert "etc/pmg/cluster.conf" in line
    assert caught.value.mend


def test_a_file_that_pmg_cannot_read_is_refused_with_its_line() -> None:
    broken = EXISTING.replace(b"master: 3", b"node: 3")
    with pytest.raises(InvalidError, match=r"cluster\.conf:1"):
        found_cluster(FOUNDER, "c1", sample.RECOVERY, broken)


def test_the_conf_in_this_test_is_one() -> None:
    assert parse_cluster_conf(EXISTING) == CONF


# --- the recovery key ----------------------------------------------------------------------------


def test_the_recovery_key_is_shown_in_groups_of_four() -> None:
    founding = found_cluster(FOUNDER, "c1", sample.RECOVERY, None)
    groups = founding.recovery.split("-")
    assert len(groups) == 14
    assert {len(group) for group in groups} == {4}
    assert recovery_key(founding.recovery).public_key == founding.membership.recovery


@given(st.binary(min_size=32, max_size=32))
def test_what_was_written_down_is_read_back(raw: bytes) -> None:
    text = recovery_text(SigningKey(raw))
    for typed in (text, text.lower(), text.replace("-", ""), f" {text.replace('-', ' ')}\n"):
        assert recovery_key(typed).to_raw() == raw


@given(st.data())
def test_a_slip_of_the_pen_is_noticed(data: st.DataObject) -> None:
    text = recovery_text(sample.RECOVERY)
    at = data.draw(st.integers(0, len(text) - 1).filter(lambda n: text[n] != "-"))
    letter = data.draw(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
    slip = text[:at] + letter + text[at + 1 :]
    if slip != text:
        with pytest.raises(UsageError):
            recovery_key(slip)


def test_two_keys_may_be_given_one_after_the_other() -> None:
    """Of two masters that have replaced it while they could not reach each other."""
    keys = [sample.RECOVERY, sample.STRANGER]
    texts = [recovery_text(key) for key in keys]
    for typed in ("\n".join(texts), " ".join(texts).lower(), "".join(texts).replace("-", "")):
        assert [key.to_raw() for key in recovery_keys(typed)] == [key.to_raw() for key in keys]
    for wrong in ("", texts[0] + texts[1][:-1], texts[0] + "AAAA"):
        with pytest.raises(UsageError):
            recovery_keys(wrong)


@given(st.text(max_size=80))
def test_anything_else_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        recovery_key(text)
    assert caught.value.mend


def test_a_cluster_founded_anew_goes_on_and_keeps_the_numbers() -> None:
    old = sample.genesis()
    base = Base(Position(3, 14), sample.STATES[4].digest)
    made = refounded(
        old,
        old.member(2),
        cluster="another",
        recovery=sample.key(77).public_key,
        base=base,
        now=5,
    )
    assert [member.cid for member in made.members] == [2]
    assert [(former.cid, former.name) for former in made.former] == [(1, "mx1"), (3, "mx3")]
    assert (made.epoch, made.serial, made.max_cid, made.base) == (4, 1, 3, base)
    assert place_for(made, "MX3") == 3
    assert place_for(made, "mx9") == 4
    envelope = sample.seal_membership(made, sample.NODE)
    history = TrustedHistory([envelope], Head(base.position, sample.STATES[4]))
    assert history.membership == made
    assert not history.is_forked
    version = sample.version(15, sample.STATES[4], sample.STATES[1], epoch=4)
    signed = sample.seal_version(replace(version, cluster="another"), sample.NODE)
    assert history.accept(signed).position == Position(4, 15)


def test_one_that_begins_elsewhere_than_its_base_says_is_no_genesis() -> None:
    old = sample.genesis()
    base = Base(Position(3, 14), sample.STATES[4].digest)
    for epoch in (5, 6):
        made = replace(old, cluster="another", epoch=epoch, base=base)
        with pytest.raises(MalformedError, match="genesis"):
            TrustedHistory([sample.seal_membership(made)])
