"""Other keys for real daemons: no stream but the node's own ends, and nobody is locked out."""

import shlex
import time
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from pmgsync.cli.rotating import agrees_with_most, certificate_lines
from pmgsync.host.identity import SPARE_KEYS
from pmgsync.master.founding import recovery_key
from pmgsync.model.membership import MemberKeys
from pmgsync.model.rekeying import DAY_MS
from pmgsync.model.scope import STATE_FOLDER
from pmgsync.model.validity import LIFE
from pmgsync.wire.certificates import make_certificate, to_der
from tests.compose.namespaces import faketime
from tests.e2e.cluster import Cluster, Node, until
from tests.e2e.test_promotion import lead
from tests.unit.model.sample import STRANGER, genesis, key, member
from tests.wire.test_mixed import other_interpreter

KEY_FILES = ("identity.key", "tls.key", "tls.crt")


def streams(cluster: Cluster) -> dict[str, int]:
    """How often the master has seen each of them connect: a stream that ends is counted again."""
    master = cluster.master
    return {
        node.name: len(master.logged(f"{node.name}({number}): connected"))
        for number, node in enumerate(cluster.nodes, 1)
    }


def rotate(node: Node, *words: str) -> dict[str, Any]:
    document: dict[str, Any] = node.pmgsync("rotate-keys", *words, "--json").document()
    return document


def edit(cluster: Cluster, *nodes: Node) -> None:
    """A version that all of them run."""
    before = cluster.version
    cluster.master.write("domains", f"v{before}.example 1\n")
    until(lambda: cluster.version > before, "the next version")
    cluster.settle(*nodes)


def fingerprints(node: Node) -> dict[str, str]:
    rows = node.pmgsync("members", "--json").document()["members"]
    return {row["name"]: row["fingerprint"] for row in rows}


def is_known(at: Node, node: Node, fingerprint: str) -> bool:
    return fingerprints(at)[node.name] == fingerprint


def keys_of(node: Node) -> dict[str, bytes]:
    folder = node.root / STATE_FOLDER
    return {name: (folder / name).read_bytes() for name in KEY_FILES}


def test_a_node_and_its_master_take_other_keys_and_no_other_stream_ends(three: Cluster) -> None:
    """The test of the whole way: each kind of keys, on a node and on the master."""
    master, node, other = three.nodes
    for who, words, own_stream in (
        (node, (), 1),
        (node, ("--tls",), 1),
        (master, (), 0),
        (master, ("--tls",), 0),
    ):
        before, files, count = fingerprints(master), keys_of(who), streams(three)
        shown = who.pmgsync("rotate-keys", *words, "--dry-run", "--json").document()
        assert shown["fingerprint"] == before[who.name]
        assert keys_of(who) == files
        done = rotate(who, *words)
        assert (done["before"], done["identity"]) == (before[who.name], not words)
        for known in (master, node, other):
            until(partial(is_known, known, who, done["fingerprint"]), "the news")
        changed = {name for name in KEY_FILES if keys_of(who)[name] != files[name]}
        assert changed == set(KEY_FILES[1:] if words else KEY_FILES)
        edit(three)
        expected = count | {who.name: count[who.name] + own_stream}
        assert streams(three) == expected
    assert "signed by mail1(1)" in master.pmgsync("members").out
    assert all("Traceback" not in one.log_text() for one in three.nodes)


def test_they_start_again_with_them(three: Cluster) -> None:
    for node in three.nodes:
        node.stop()
    for node in three.nodes:
        node.start()
    edit(three)


def test_a_crash_before_the_answer_leaves_a_node_that_comes_in_again(three: Cluster) -> None:
    """The master has named the new keys, and the node knows nothing of it but the keys. Then the
    master takes others, too, and nobody else is up: neither knows what the other shows.
    """
    master, node, other = three.nodes
    other.stop()
    folder = node.root / STATE_FOLDER
    before = {name: (folder / name).read_bytes() for name in (*KEY_FILES, "chain.json")}
    done = rotate(node)
    node.kill()
    for name, content in before.items():
        (folder / name).write_bytes(content)
    rotate(master, "--tls")
    node.start()
    edit(three, master, node)
    other.start()
    edit(three)
    assert fingerprints(node)[node.name] == done["fingerprint"]
    assert keys_of(node)["identity.key"] != before["identity.key"]


def test_a_crash_of_the_master_between_chain_and_keys_is_mended(three: Cluster) -> None:
    master = three.master
    before = keys_of(master)
    rotate(master)
    master.kill()
    folder = master.root / STATE_FOLDER
    (folder / "identity.key").write_bytes(before["identity.key"])
    (folder / "tls.crt").write_bytes(before["tls.crt"])
    master.start()
    edit(three)
    assert keys_of(master)["identity.key"] != before["identity.key"]


def test_who_was_away_meanwhile_hears_of_the_masters_keys_from_the_master(
    three: Cluster,
) -> None:
    """Nobody else is up: it is the master's certificate of before that introduces the news."""
    master, node, other = three.nodes
    node.stop()
    other.stop()
    rotate(master)
    rotate(master)
    edit(three, master)
    edit(three, master)
    node.start()
    edit(three, master, node)
    assert node.logged("no connection to the master")
    other.start()
    edit(three)


def test_of_another_release_it_is_the_same(cluster: Cluster) -> None:
    """The master on one TLS library, a node on the other, and the same the other way round."""
    master = cluster.add()
    node = cluster.add(python=str(other_interpreter()))
    cluster.found(2)
    rotate(node)
    node.stop()
    rotate(master)
    edit(cluster, master)
    node.start()
    edit(cluster)
    rotate(master)
    rotate(node, "--tls")
    edit(cluster)
    assert streams(cluster)[master.name] == 1
    assert all("Traceback" not in one.log_text() for one in cluster.nodes)


def test_a_certificate_is_replaced_before_it_runs_out(cluster: Cluster) -> None:
    master = cluster.add()
    made = int(time.time() * 1000) - int(LIFE.total_seconds() * 1000) + 700 * DAY_MS
    folder = master.root / STATE_FOLDER
    folder.mkdir(parents=True, mode=0o700)
    key, certificate = make_certificate(master.name, made)
    (folder / "tls.key").write_bytes(key)
    (folder / "tls.crt").write_bytes(certificate)
    cluster.found(1)
    identity = (folder / "identity.key").read_bytes()
    until(lambda: (folder / "tls.crt").read_bytes() != certificate, "another certificate")
    cluster.join(cluster.add().start())
    until(lambda: master.logged("would have ended on"), "the word of it")
    assert (folder / "identity.key").read_bytes() == identity
    edit(cluster)


def test_tokens_that_name_the_certificate_of_before_are_revoked_and_said_to_be(
    cluster: Cluster,
) -> None:
    master, node = cluster.found(1).master, cluster.add().start()
    words = shlex.split(master.pmgsync("join-cmd").out.strip().splitlines()[-1])[1:]
    done = master.pmgsync("rotate-keys", "--tls")
    assert "revoked: 1 join token that named the certificate of before" in done.out
    (line,) = master.pmgsync("tokens", "list", "--json").document()["tokens"]
    assert line["state"] == "revoked"
    refused = node.pmgsync(*words, code=1)
    assert "wrong fingerprint" in refused.err
    assert "the master has new keys since this one was printed" in refused.err
    cluster.join(node)
    assert rotate(node)["tokens"] == 0


def test_status_names_node_date_and_mend_a_year_before_the_end() -> None:
    """Only if replacing it by itself has failed for a year: so long no test can wait."""
    now = 1_800_000_000_000
    made = now - int(LIFE.total_seconds() * 1000) + 364 * DAY_MS
    keys = MemberKeys(STRANGER.public_key, to_der(make_certificate("mx2", made)[1]))
    membership = replace(genesis(), members=(member(1), replace(member(2), keys=keys)))
    (line,) = certificate_lines(membership, now)
    assert line.startswith("the certificate of mx2(2) ends on 2028-01-1")
    assert "`pmgsync rotate-keys --tls` on mx2" in line
    assert certificate_lines(membership, now - 2 * DAY_MS) == []
    (ended,) = certificate_lines(membership, now + 366 * DAY_MS)
    assert "mx2(2) ended on" in ended
    assert "on mx2, `pmgsync leave`, and join again" in ended  # TLS refuses it: it cannot ask
    (ended,) = certificate_lines(replace(membership, master=2), now + 366 * DAY_MS)
    assert "promote another node" in ended


def test_where_most_certificates_do_not_count_the_clock_is_to_be_looked_at() -> None:
    """Ended, or not begun: to a node whose clock is wrong by decades all look alike."""
    now = 1_800_000_000_000
    keys = [MemberKeys(key(n).public_key, to_der(make_certificate("mx", now)[1])) for n in (1, 2)]
    two = replace(
        genesis(),
        members=tuple(replace(member(n), keys=held) for n, held in enumerate(keys, 1)),
    )
    for years in (-11, 11):
        (line,) = certificate_lines(two, now + years * 366 * DAY_MS)
        assert line.startswith(f"by the clock of this node it is {2027 + years}-")
        assert "mx1(1), mx2(2) do not count then" in line
        assert "`timedatectl`" in line
        assert "--force-new-cluster" in line


@pytest.mark.parametrize("years", [-11, 11])
def test_a_node_that_is_alone_makes_another_certificate_that_counts(years: int) -> None:
    """There is no other node that could be promoted, and none that it could leave."""
    now = 1_800_000_000_000
    keys = MemberKeys(STRANGER.public_key, to_der(make_certificate("mx1", now)[1]))
    alone = replace(genesis(), members=(replace(member(1), keys=keys), member(2, joined=False)))
    assert certificate_lines(alone, now) == []
    (line,) = certificate_lines(alone, now + years * 366 * DAY_MS)
    assert "`timedatectl`" in line
    assert line.endswith("If it is right, `pmgsync rotate-keys --tls` makes another certificate")


def test_a_master_replaces_its_certificate_by_itself_only_while_most_are_there() -> None:
    """And have the time that it has."""
    three = replace(genesis(), members=(member(1), member(2), member(3)))
    assert agrees_with_most(three, {1: 0, 2: 5000})
    assert agrees_with_most(three, {1: 0, 2: 5000, 3: -DAY_MS})
    assert not agrees_with_most(three, {1: 0, 2: DAY_MS, 3: DAY_MS})
    assert not agrees_with_most(three, {1: 0, 9: 0})
    assert not agrees_with_most(three, {1: 0})
    alone = replace(three, members=(member(1), member(2, joined=False)))
    assert agrees_with_most(alone, {1: 0})


NEARLY_NINE_YEARS_S = 3230 * 86_400
"""By such a clock, a certificate of today is to be replaced."""


@pytest.mark.parametrize("place", [1, 0], ids=["node", "master"])
def test_row_17_a_clock_that_is_off_is_named_and_makes_no_certificate(
    three: Cluster, place: int
) -> None:
    """Of three clocks the two that agree are right, also where the third is the master's."""
    node, label = three.nodes[place], f"mail{place + 1}({place + 1})"
    before = keys_of(node)
    node.stop()
    node.environment = faketime(NEARLY_NINE_YEARS_S)
    node.start()
    edit(three)
    for one in three.nodes:
        until(partial(_names, one, f"{label}: its clock is 32"), "the clock to be named")
    until(lambda: node.logged("is not replaced: "), "the certificate to be due")
    assert "if its clock is wrong, set it" in node.logged("is not replaced: ")[0]
    for words in ((), ("--tls",)):
        refused = node.pmgsync("rotate-keys", *words, code=None)
        assert refused.code
        assert label in refused.err
        assert "the clock there is wrong: it made the new certificate on 203" in refused.err
        assert "`timedatectl`" in refused.err
    assert keys_of(node) == before
    node.stop()
    node.environment = {}
    node.start()
    edit(three)
    until(lambda: not _names(three.master, "its clock"), "the clock to be right")
    rotate(node)
    edit(three)


def _names(node: Node, text: str) -> bool:
    return text in node.attention()


def test_another_recovery_key_is_the_only_one_that_counts(cluster: Cluster) -> None:
    cluster.found(2)
    master, node = cluster.nodes
    assert "pmgsync rotate-keys" not in node.attention()
    refused = node.pmgsync("rotate-keys", "--recovery", code=6)
    assert "not the master" in refused.err
    assert not refused.out  # a key that does not come to count is not shown
    shown = master.pmgsync("rotate-keys", "--recovery")
    assert "It counts, by membership 1.3" in shown.err
    assert "Every member has it" in shown.err
    assert "recovery key" not in master.attention()
    node.stop()
    until(cluster.is_state(node, "away"), "the master to miss it")
    said = master.pmgsync("rotate-keys", "--recovery", "--json").document()
    assert (said["counts"], said["away"], said["late"]) == (True, ["mail2(2)"], [])
    assert "membership 1.4 is not known to have reached mail2(2)" in master.attention()
    node.start()
    until(lambda: "recovery key" not in master.attention(), "the node to have the key")
    shown = master.pmgsync("rotate-keys", "--recovery")
    assert "Every member has it" in shown.err
    text = next(line.strip() for line in shown.out.splitlines() if line.startswith("    "))
    key = recovery_key(text)
    assert node.pmgsync("members", "--json").document()["recovery"] == key.public_key.key_id
    old, new = (cluster.folder / name for name in ("old", "new"))
    old.write_text(cluster.recovery_key)
    new.write_text(text)
    master.kill()
    until(lambda: "no connection" in node.attention(), "the loss to be noticed")
    for dry in ([], ["--dry-run"]):
        refused = node.pmgsync("promote", "--recovery-key", str(old), *dry, code=6)
        assert "counts no longer: membership 1.3 has replaced it" in refused.err + refused.out
    node.pmgsync("promote", "--recovery-key", str(new))
    assert node.status()["node"]["role"] == "master"


def test_a_node_without_a_cluster_or_a_master_says_so(cluster: Cluster) -> None:
    node = cluster.add().start()
    for words in ((), ("--dry-run",), ("--recovery",)):
        assert "belongs to no cluster" in node.pmgsync("rotate-keys", *words, code=1).err


def test_spare_keys_are_gone_with_the_cluster(three: Cluster) -> None:
    *_, node = three.nodes
    rotate(node)
    spare = node.root / STATE_FOLDER / SPARE_KEYS
    assert spare.exists()
    node.pmgsync("leave")
    assert not spare.exists()
    three.join(node)
    edit(three)
    rotate(node)
    edit(three)


def test_with_other_keys_a_node_becomes_the_master_and_takes_others_again(three: Cluster) -> None:
    """By votes of members who know the new keys; the old master returns and finds it."""
    lost, heir, third = three.nodes
    # What a wrong clock was faked for may have made threads sleep for less than nothing.
    said = {one.name: len(one.log_text()) for one in three.nodes}
    rotate(lost)
    rotate(heir)
    lost.kill()
    until(lambda: "no connection" in third.attention(), "the loss to be noticed")
    heir.pmgsync("promote")
    lead(three, heir)
    rotate(heir)
    edit(three, heir, third)
    lost.start()
    edit(three)
    assert all("Traceback" not in one.log_text()[said[one.name] :] for one in three.nodes)


ELEVEN_YEARS_S = 11 * 366 * 86_400


def test_one_alone_whose_certificate_has_ended_replaces_it(cluster: Cluster) -> None:
    cluster.found(1)
    master = cluster.master
    before = keys_of(master)["tls.crt"]
    master.stop()
    master.environment = faketime(ELEVEN_YEARS_S)
    master.start()
    until(lambda: keys_of(master)["tls.crt"] != before, "another certificate")
    assert "certificate" not in master.attention()


def test_a_master_that_all_certificates_have_ended_for_says_so_and_another_takes_over(
    cluster: Cluster,
) -> None:
    """Its clock is wrong, or those of the others are: it cannot know. Both sides are told."""
    master, heir, third = cluster.found(3).nodes
    master.stop()
    master.environment = faketime(ELEVEN_YEARS_S)
    master.start()
    until(lambda: _names(master, "the certificates of mail1(1), mail2(2), mail3(3)"), "the word")
    assert "`timedatectl`" in master.attention()
    until(lambda: _names(heir, "are the clocks of both right"), "the loss to be noticed")
    until(lambda: _names(third, "no connection"), "the loss to be noticed")
    refused = master.pmgsync("rotate-keys", "--tls", code=None)
    assert "a clock is wrong" in refused.err
    heir.pmgsync("promote")
    lead(cluster, heir)
    edit(cluster, heir, third)
    master.stop()
    master.environment = {}
    master.start()
    edit(cluster)
