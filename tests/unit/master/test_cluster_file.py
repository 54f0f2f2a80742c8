"""The master's own `cluster.conf` and the membership say the same: whichever of them moved."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from pmgsync.errors import HostError, StoreError
from pmgsync.master.cluster_file import NOTE, STAGED, ClusterFile
from pmgsync.master.register import Register
from pmgsync.model.envelope import Envelope
from pmgsync.model.membership import Member, Membership, found
from pmgsync.model.pmg_node import PmgKeys
from pmgsync.model.scope import CLUSTER_CONF
from pmgsync.model.trust import TrustedHistory
from pmgsync.pmgconf.cluster_conf import (
    ClusterConf,
    ClusterNode,
    cluster_conf_of,
    dump_cluster_conf,
    means,
    parse_cluster_conf,
)
from tests.sim.clock import FakeClock
from tests.sim.host import MemoryTree
from tests.sim.killing import Killed, Steps
from tests.sim.store import MemoryStore
from tests.unit.master.rig import FILES, filled_tree
from tests.unit.model import sample

KEYS = PmgKeys(":".join(["AB"] * 32), "A" * 372, "B" * 372)
OTHER_KEYS = replace(KEYS, fingerprint=":".join(["CD"] * 32))


def member(cid: int) -> Member:
    return replace(sample.member(cid), pmg=KEYS)


class Desk:
    """A master's file, its membership of four, and what stands between."""

    def __init__(self, tree: MemoryTree | None = None) -> None:
        members = tuple(member(cid) for cid in (1, 2, 3, 4))
        genesis = found(
            sample.CLUSTER, members, master=1, max_cid=4, recovery=sample.RECOVERY.public_key
        )
        self.history = TrustedHistory([sample.seal_membership(genesis)])
        self.tree = filled_tree() if tree is None else tree
        self.store = MemoryStore()
        self.announced = 0
        self.error: StoreError | None = None
        self.register = Register(
            self.history, sample.MASTER, FakeClock(), self._write, self._announce
        )
        self.file = self.anew()

    def anew(self) -> ClusterFile:
        """As after a restart."""
        return ClusterFile(self.tree, self.store, self.register, FakeClock())

    def _write(self, _chain: tuple[Envelope, ...]) -> None:
        if self.error:
            raise self.error

    def _announce(self) -> None:
        self.announced += 1

    @property
    def membership(self) -> Membership:
        return self.history.membership

    @property
    def content(self) -> bytes:
        return self.tree.files()[CLUSTER_CONF]

    @property
    def agrees(self) -> bool:
        return means(self.content, self.membership)

    @property
    def reasons(self) -> list[str]:
        """Why edits did not count, newest first."""
        return [kept.reason for kept in self.store.keepsakes()]

    def edit(self, change: Callable[[ClusterConf], ClusterConf]) -> bytes:
        """Somebody edits the file that agrees."""
        conf = parse_cluster_conf(self.content)
        assert conf is not None
        edited = dump_cluster_conf(change(conf))
        self.tree.put(CLUSTER_CONF, edited)
        return edited


@pytest.fixture
def desk() -> Desk:
    made = Desk()
    made.file.settle()
    return made


def nodes(
    change: Callable[[ClusterNode], ClusterNode | None], *more: ClusterNode
) -> Callable[[ClusterConf], ClusterConf]:
    """An edit of each node (None: it is deleted), and more of them."""

    def edit(conf: ClusterConf) -> ClusterConf:
        changed = [change(node) for node in conf.nodes]
        return replace(conf, nodes=(*(node for node in changed if node), *more))

    return edit


def without(*cids: int) -> Callable[[ClusterConf], ClusterConf]:
    return nodes(lambda node: None if node.cid in cids else node)


def with_one(cid: int, name: str, ip: str = "127.0.0.9") -> Callable[[ClusterConf], ClusterConf]:
    return nodes(lambda node: node, ClusterNode(cid, name, ip, KEYS))


def changing(cid: int, **fields: object) -> Callable[[ClusterConf], ClusterConf]:
    return nodes(lambda n: replace(n, **fields) if n.cid == cid else n)  # type: ignore[arg-type]


# --- the membership moved -------------------------------------------------------------------------


def test_a_missing_file_is_written_as_the_scope_table_wants_it() -> None:
    desk = Desk()
    assert desk.file.settle()
    assert desk.tree.files() == {**FILES, CLUSTER_CONF: cluster_conf_of(desk.membership)}
    seen = desk.tree.stat(CLUSTER_CONF)
    assert seen is not None
    assert (seen.mode, seen.ownership) == (0o644, "root:root")
    assert desk.tree.staged() == []


def test_a_file_that_says_the_same_is_not_touched() -> None:
    desk = Desk()
    mine = b"# mine\n" + cluster_conf_of(desk.membership)
    desk.tree.put(CLUSTER_CONF, mine)
    assert not desk.file.settle()
    assert desk.content == mine


def test_a_file_of_which_nothing_is_known_is_replaced() -> None:
    desk = Desk()
    desk.tree.put(CLUSTER_CONF, b"")
    assert desk.file.settle()
    assert not desk.file.settle()
    assert desk.agrees
    assert desk.reasons == []


def test_the_file_follows_the_membership_also_after_a_restart(desk: Desk) -> None:
    for cid in (4, 3):
        desk.register.remove(desk.register.find(str(cid)))
        desk.file = desk.anew()
        assert desk.file.settle()
        assert desk.agrees
    assert desk.reasons == []


def test_a_comment_is_no_edit(desk: Desk) -> None:
    desk.tree.put(CLUSTER_CONF, b"# mine\n" + desk.content)
    assert not desk.file.settle()
    desk.register.remove(desk.register.find("mx4"))
    assert desk.file.settle()
    assert desk.reasons == []


def test_a_vanished_folder_is_not_made_again() -> None:
    desk = Desk(MemoryTree())
    assert not desk.file.settle()
    assert desk.tree.files() == {}


def test_what_is_in_the_way_is_an_error_and_stays() -> None:
    desk = Desk()
    desk.tree.put(CLUSTER_CONF, b"")
    desk.tree.unreadable.add(CLUSTER_CONF)
    with pytest.raises(HostError):
        desk.file.settle()
    assert desk.content == b""


@pytest.mark.parametrize("step", range(1, 6))
def test_killed_at_any_step_it_is_the_old_or_the_new(desk: Desk, step: int) -> None:
    old = desk.content
    desk.register.remove(desk.register.find("mx4"))
    new = cluster_conf_of(desk.membership)
    desk.tree.steps = Steps(kill_at=step)
    try:
        desk.file.settle()
    except Killed:
        assert desk.content in (old, new)
    desk.tree.steps = Steps()
    desk.file = desk.anew()
    desk.file.settle()
    assert desk.content == new
    assert STAGED not in desk.tree.files(leavings=True)
    assert desk.reasons == []


# --- the file was edited: taken over --------------------------------------------------------------


def test_a_node_that_pmgcm_deletes_is_removed(desk: Desk) -> None:
    edited = desk.edit(without(3))
    assert not desk.file.settle()
    assert [m.cid for m in desk.membership.members] == [1, 2, 4]
    assert [former.cid for former in desk.membership.former] == [3]
    assert desk.content == edited  # it says the same now
    assert desk.announced == 1
    assert not desk.file.settle()
    assert desk.announced == 1


def test_a_node_that_pmgcm_adds_is_expected(desk: Desk) -> None:
    desk.edit(lambda conf: replace(with_one(5, "new")(conf), max_cid=5))
    assert not desk.file.settle()
    added = desk.membership.member(5)
    assert (added.name, added.address, added.keys) == ("new", "127.0.0.9", None)
    assert desk.membership.max_cid == 5


def test_other_keys_of_pmg_and_another_address_are_taken_over(desk: Desk) -> None:
    desk.edit(changing(2, pmg=OTHER_KEYS))
    desk.file.settle()
    assert desk.membership.member(2).pmg == OTHER_KEYS
    desk.edit(changing(3, ip="127.0.0.33"))
    desk.file.settle()
    third = desk.membership.member(3)
    assert (third.address, third.keys) == ("127.0.0.33", member(3).keys)
    assert desk.announced == 2


def test_a_higher_maxcid_is_taken_over_and_a_lower_one_is_put_back(desk: Desk) -> None:
    desk.edit(lambda conf: replace(conf, max_cid=9))
    desk.file.settle()
    assert desk.membership.max_cid == 9
    desk.edit(lambda conf: replace(conf, max_cid=4))
    assert desk.file.settle()
    assert desk.membership.max_cid == 9
    assert desk.agrees


def test_a_removed_node_may_be_expected_again_under_its_number(desk: Desk) -> None:
    desk.register.remove(desk.register.find("mx3"))
    desk.file.settle()
    desk.edit(with_one(3, "mx3", "127.0.0.3"))
    assert not desk.file.settle()
    assert desk.membership.member(3).keys is None


def test_an_edit_is_taken_over_although_the_membership_has_moved_on(desk: Desk) -> None:
    edited = desk.edit(changing(2, pmg=OTHER_KEYS))
    desk.register.remove(desk.register.find("mx4"))  # before anybody looked at the file
    desk.tree.put(CLUSTER_CONF, edited)
    desk.file = desk.anew()
    desk.file.settle()
    # The edited file still names mx4; that is no reason to expect it again.
    assert desk.agrees
    assert desk.membership.named("mx4") is None
    assert desk.membership.member(2).pmg == OTHER_KEYS


# --- the file was edited: refused -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda conf: replace(conf, master=2), "names mx2 as the master, .*pmgsync promote"),
        (without(2, 3), r"lacks mx2\(2\), mx3\(3\)"),
        (changing(3, name="other"), r"calls mx3\(3\) other"),
        (changing(1, ip="127.0.0.77"), "gives the master another address"),
        (changing(3, ip="127.0.0.2"), r"mx3\(3\) gets the address of mx2\(2\)"),
        (with_one(7, "new", "127.0.0.2"), r"new\(7\) gets the address of mx2\(2\)"),
        (
            lambda conf: with_one(7, "mx2", "127.0.0.7")(without(2)(conf)),
            r"gives mx2\(2\) another number, 7",
        ),
    ],
)
def test_an_edit_that_does_not_count_is_kept_aside_with_the_reason(
    desk: Desk, edit: Callable[[ClusterConf], ClusterConf], words: str
) -> None:
    before, edited = desk.content, desk.edit(edit)
    assert desk.file.settle()
    assert desk.content == before
    assert len(desk.history.chain) == 1
    assert desk.announced == 0
    (kept,) = desk.store.keepsakes()
    assert kept.digest is not None
    assert desk.store.content(kept.digest) == edited
    match_any(words, kept.reason)
    assert "so it was put back" in kept.reason
    assert not desk.file.settle()


def match_any(words: str, text: str) -> None:
    with pytest.raises(ValueError, match=words):
        raise ValueError(text.replace(", so it was put back;", ","))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"master: 1\n\tname mx1\n", "PMG could not read it, line 1"),
        (b"\xff\xfe", "PMG could not read it|names no node"),
        (b"", "names no node at all"),
    ],
)
def test_a_file_that_pmg_could_not_read_is_put_back(desk: Desk, data: bytes, words: str) -> None:
    before = desk.content
    desk.tree.put(CLUSTER_CONF, data)
    assert desk.file.settle()
    assert desk.content == before
    match_any(words, desk.reasons[0])


def test_a_number_that_was_given_is_not_given_by_an_edit(desk: Desk) -> None:
    desk.register.remove(desk.register.find("mx3"))
    desk.file.settle()
    desk.edit(with_one(3, "thief"))
    desk.file.settle()
    match_any(r"thief\(3\): its number was given to mx3 before", desk.reasons[0])
    assert desk.membership.named("thief") is None


def test_an_edit_that_cannot_be_written_down_is_put_back_with_that_reason(desk: Desk) -> None:
    desk.error = StoreError("disk full", where="chain.json")
    desk.edit(without(3))
    assert desk.file.settle()
    match_any("disk full", desk.reasons[0])
    assert desk.agrees


@pytest.mark.parametrize("note", [{}, "x", {"digest": 1}, {"digest": "a", "epoch": 1}])
def test_a_note_that_is_none_counts_for_nothing(desk: Desk, note: object) -> None:
    desk.store.write_note(NOTE, note)  # type: ignore[arg-type]
    desk.edit(without(3))
    assert desk.file.settle()
    assert len(desk.membership.members) == 4
