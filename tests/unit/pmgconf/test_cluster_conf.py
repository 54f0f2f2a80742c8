"""`cluster.conf`: what PMG dies on, what it means, and when it may stay as it is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.errors import InvalidError
from pmgsync.model.membership import Member, Membership
from pmgsync.model.pmg_node import PmgKeys
from pmgsync.pmgconf.cluster_conf import (
    ClusterConf,
    ClusterNode,
    cluster_conf_of,
    dump_cluster_conf,
    means,
    parse_cluster_conf,
    rewritten,
)
from tests.unit.model import sample

KEYS = PmgKeys(":".join(["AB"] * 32), "A" * 372, "B" * 372)
NODES = (
    ClusterNode(1, "mx1", "192.0.2.1", KEYS),
    ClusterNode(2, "mx2", "2001:db8::2", KEYS),
)
CONF = ClusterConf(1, 4, NODES)
WRITTEN = dump_cluster_conf(CONF)


def membership() -> Membership:
    base = sample.genesis()
    return replace(base, members=tuple(replace(m, pmg=KEYS) for m in base.members))


def test_the_form_is_pmgs_own() -> None:
    lines = WRITTEN.decode().split("\n")
    assert lines[0] == "master: 1"
    assert [line.split()[0] for line in lines[1:7]] == [
        "fingerprint",
        "hostrsapubkey",
        "ip",
        "maxcid",
        "name",
        "rootrsapubkey",
    ]
    assert all(line.startswith("\t") for line in lines[1:7])
    assert lines[7:9] == ["", "node: 2"]
    assert WRITTEN.endswith(b"\n\n")


def test_it_is_read_back() -> None:
    assert parse_cluster_conf(WRITTEN) == CONF


@pytest.mark.parametrize("data", [b"", b"\n\n", b"# no cluster\n"])
def test_a_file_without_sections_means_no_cluster(data: bytes) -> None:
    assert parse_cluster_conf(data) is None


def test_maxcid_is_raised_to_the_highest_cid() -> None:
    conf = parse_cluster_conf(WRITTEN.replace(b"maxcid 4", b"maxcid 1"))
    assert conf is not None
    assert conf.max_cid == 2


def test_comments_and_unknown_options_are_tolerated() -> None:
    data = b"# ours\n" + WRITTEN.replace(b"\tname mx2", b"\tcolour red\n\tname mx2")
    conf = parse_cluster_conf(data)
    assert conf is not None
    assert conf.nodes == NODES
    assert [finding.line for finding in conf.findings] == [14]


@pytest.mark.parametrize(
    ("old", "new", "where", "what"),
    [
        ("master: 1", "node: 1", ":1", "no section `master: CID`"),
        ("node: 2\n", "master: 2\n\tmaxcid 4\n", ":9", "a second master"),
        ("name mx2", "name mx1", ":13", "stands in 'master: 1' already"),
        ("name mx2", "name MX1", ":13", "stands in 'master: 1' already"),
        ("node: 2", "node: 01", ":9", "stands twice"),
        ("\tip 192.0.2.1\n", "", ":1", "missing value for required option 'ip'"),
        ("ip 192.0.2.1", "ip mx1.example", ":1", "missing value for required option 'ip'"),
        ("name mx2", "name m_x", ":9", "missing value for required option 'name'"),
        ("maxcid 4", "maxcid many", ":1", "missing value for required option 'maxcid'"),
    ],
)
def test_what_pmg_dies_on_is_refused_with_its_line(
    old: str, new: str, where: str, what: str
) -> None:
    text = WRITTEN.decode()
    assert old in text
    with pytest.raises(InvalidError) as caught:
        parse_cluster_conf(text.replace(old, new, 1).encode(), where="cluster.conf")
    assert caught.value.where == f"cluster.conf{where}"
    assert what in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.mend


def test_a_repeated_section_replaces_the_earlier_one() -> None:
    second = WRITTEN.split(b"\n\n")[1].replace(b"mx2", b"mx3")
    conf = parse_cluster_conf(WRITTEN + second + b"\n")
    assert conf is not None
    assert [node.name for node in conf.nodes] == ["mx1", "mx3"]


def test_zeros_before_a_number_mean_nothing_however_many() -> None:
    data = WRITTEN.replace(b"node: 2", b"node: " + b"0" * 5000 + b"2")
    conf = parse_cluster_conf(data.replace(b"maxcid 4", b"maxcid " + b"0" * 5000 + b"4"))
    assert conf == CONF


def test_a_cid_that_no_number_should_be_is_skipped() -> None:
    conf = parse_cluster_conf(WRITTEN.replace(b"node: 2", b"node: 99999999999999999999"))
    assert conf is not None
    assert len(conf.nodes) == 1


def test_the_file_of_a_membership_says_what_it_says() -> None:
    data = cluster_conf_of(membership())
    conf = parse_cluster_conf(data)
    assert conf is not None
    assert (conf.master, conf.max_cid) == (1, 3)
    assert [(n.cid, n.name, n.ip) for n in conf.nodes] == [
        (1, "mx1", "127.0.0.1"),
        (2, "mx2", "127.0.0.2"),
        (3, "mx3", "127.0.0.3"),
    ]
    assert means(data, membership())


def test_a_file_that_means_the_same_stays_byte_for_byte() -> None:
    data = cluster_conf_of(membership())
    commented = b"# edited by hand\n" + data.replace(b"\tip", b"    ip  ")
    assert rewritten(data, membership()) is None
    assert rewritten(commented, membership()) is None


def changed(member: Member) -> Membership:
    others = tuple(m for m in membership().members if m.cid != member.cid)
    return replace(membership(), members=(*others, member))


@pytest.mark.parametrize(
    "other",
    [
        changed(replace(membership().member(2), address="127.0.0.9")),
        changed(replace(membership().member(2), name="mx9")),
        changed(replace(membership().member(2), pmg=replace(KEYS, root_rsa="C" * 372))),
        replace(membership(), max_cid=9),
        replace(membership(), members=membership().members[:2]),
    ],
)
def test_a_file_that_means_something_else_is_written_anew(other: Membership) -> None:
    data = cluster_conf_of(membership())
    new = rewritten(data, other)
    assert new == cluster_conf_of(other)
    assert means(new or b"", other)


@pytest.mark.parametrize("data", [None, b"", b"master: 1\n", b"\xff\xfe"])
def test_a_file_that_says_nothing_is_written_anew(data: bytes | None) -> None:
    assert rewritten(data, membership()) == cluster_conf_of(membership())


def test_keys_that_pmg_would_refuse_are_not_written_again_and_again() -> None:
    odd = sample.genesis()
    data = cluster_conf_of(odd)
    assert not means(data, odd)
    assert rewritten(data, odd) is None


names = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
key_text = st.text("ABCabc019./+=", min_size=200, max_size=210)
keys = st.builds(
    PmgKeys,
    st.lists(st.sampled_from(["AB", "0f", "99"]), min_size=32, max_size=32).map(":".join),
    key_text,
    key_text,
)


@st.composite
def confs(draw: st.DrawFn) -> ClusterConf:
    cids = sorted(draw(st.sets(st.integers(1, 500), min_size=1, max_size=6)))
    called = draw(st.lists(names, min_size=len(cids), max_size=len(cids), unique=True))
    nodes = tuple(
        ClusterNode(cid, name, str(draw(st.ip_addresses())), draw(keys))
        for cid, name in zip(cids, called, strict=True)
    )
    return ClusterConf(draw(st.sampled_from(cids)), draw(st.integers(cids[-1], 1000)), nodes)


@given(confs())
def test_every_cluster_is_read_back(conf: ClusterConf) -> None:
    data = dump_cluster_conf(conf)
    assert parse_cluster_conf(data) == conf
    assert conf.master_node.cid == conf.master
    assert dump_cluster_conf(parse_cluster_conf(data) or CONF) == data


@given(st.binary(max_size=300), st.integers(0, len(WRITTEN)))
def test_anything_else_is_an_error_with_a_place_or_no_cluster(data: bytes, at: int) -> None:
    for mangled in (data, WRITTEN[:at] + data + WRITTEN[at:]):
        try:
            parse_cluster_conf(mangled)
        except InvalidError as error:
            assert error.where.startswith("etc/pmg/cluster.conf:")  # noqa: PT017
