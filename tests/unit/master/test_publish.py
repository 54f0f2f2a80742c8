"""Publishing by level: whatever happened, what differs is published, once, and nothing else is."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.errors import InvalidError, OperatorError, StoreError
from pmgsync.master.publish import Held, Observed
from pmgsync.model.changeset import MAX_MESSAGE_CHARACTERS, ChangeSet, Position
from pmgsync.model.manifest import Digest, FileEntry, Manifest, digest_of
from pmgsync.model.paths import ManagedPath
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import FileKind, Look
from tests.sim.host import MemoryTree
from tests.sim.store import MemoryStore
from tests.unit.master.rig import EVERYTHING, FILES, Rig, look
from tests.unit.model import sample

DOMAINS = "etc/pmg/domains"


def published() -> Rig:
    rig = Rig()
    assert rig.publisher.publish(EVERYTHING) is not None
    return rig


def tree_of(rig: Rig) -> Manifest:
    return Manifest(FileEntry.of(ManagedPath(p), d) for p, d in rig.tree.files().items())


def test_the_first_look_publishes_everything() -> None:
    rig = Rig()
    first = rig.publisher.publish(EVERYTHING)
    assert first is not None
    assert first.position == Position(1, 1)
    assert rig.head.manifest == tree_of(rig)
    assert first.contents == {digest_of(data): data for data in FILES.values()}
    assert all(rig.store.content(entry.digest) for entry in rig.head.manifest.values())
    assert rig.version == 1


def test_nothing_differs_nothing_happens() -> None:
    rig = published()
    assert rig.publisher.publish(EVERYTHING) is None
    assert rig.publisher.publish(look(DOMAINS)) is None
    assert rig.version == 1


def test_an_edit_is_the_next_version() -> None:
    rig = published()
    change = rig.edit(DOMAINS, b"b.example 1\n", "another domain")
    assert change is not None
    change_set = change.verified.change_set
    assert [entry.path for entry in change_set.change.puts] == [DOMAINS]
    assert change_set.change.deletes == ()
    assert (change_set.message, change_set.created) == ("another domain", rig.clock.now())
    assert change.parent != change.verified.manifest == rig.head.manifest
    assert change.contents == {digest_of(b"b.example 1\n"): b"b.example 1\n"}
    assert rig.version == 2


def test_a_deletion_is_one_too() -> None:
    rig = published()
    change = rig.edit("etc/pmg/transport", None)
    assert change is not None
    assert change.verified.change_set.change.deletes == ("etc/pmg/transport",)
    assert change.contents == {}


def test_a_content_that_is_known_is_not_sent_or_stored_again() -> None:
    rig = published()
    rig.edit(DOMAINS, b"b.example 1\n")
    back = rig.edit(DOMAINS, FILES[DOMAINS])
    copy = rig.edit("etc/pmg/tls_policy", FILES[DOMAINS])
    assert back is not None
    assert copy is not None
    assert copy.contents == {}
    assert rig.version == 4


def test_what_an_event_missed_a_look_everywhere_finds() -> None:
    rig = published()
    rig.tree.put(DOMAINS, b"b.example 1\n")
    assert rig.publisher.publish(look("etc/pmg/transport")) is None
    assert rig.publisher.publish(EVERYTHING) is not None


def test_every_version_passes_the_door_of_a_node() -> None:
    rig = published()
    rig.edit(DOMAINS, b"b.example 1\n")
    rig.edit("etc/pmg/transport", None)
    node = TrustedHistory(rig.history.chain)
    for record in rig.store.after(0):
        node.accept(record.envelope)
    assert node.head == rig.head


def test_a_version_that_cannot_be_stored_was_never_there() -> None:
    rig = published()
    rig.store.full = True
    rig.tree.put(DOMAINS, b"b.example 1\n")
    with pytest.raises(StoreError):
        rig.publisher.publish(look(DOMAINS))
    assert rig.history.head.position.version == 1
    rig.store.full = False
    again = rig.publisher.publish(Look(frozenset({"etc/pmg/transport"})))
    assert again is not None
    assert again.position.version == 2
    assert again.contents == {digest_of(b"b.example 1\n"): b"b.example 1\n"}
    assert rig.version == 2


def test_it_goes_on_after_a_restart_where_it_was() -> None:
    rig = published()
    again = Rig(rig.store.crash(), rig.tree)
    assert again.publisher.publish(EVERYTHING) is None
    again.edit(DOMAINS, b"b.example 1\n")
    assert again.version == 2


def test_a_long_or_odd_message_does_not_stand_in_the_way() -> None:
    rig = published()
    change = rig.edit(DOMAINS, b"b.example 1\n", "\udcff" + "x" * 5000)
    assert change is not None
    message = ChangeSet.from_bytes(change.verified.envelope.payload).message
    assert len(message) == MAX_MESSAGE_CHARACTERS
    assert message.startswith("?x")


def test_a_change_that_is_too_large_to_travel_is_refused_whole() -> None:
    rig = published()
    for number in range(20_000):
        rig.tree.put(f"etc/pmg/acme/{number:0200}", b"")
    with pytest.raises(InvalidError, match="too large") as caught:
        rig.publisher.publish(EVERYTHING)
    assert caught.value.mend
    assert rig.version == 1


# --- problems ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [FileKind.LINK, FileKind.OTHER, FileKind.FOLDER])
def test_what_is_no_file_keeps_its_old_entry_and_all_else_goes_on(kind: FileKind) -> None:
    rig = published()
    before = rig.head.manifest[ManagedPath(DOMAINS)]
    rig.tree.put_kind(DOMAINS, kind)
    rig.tree.put("etc/pmg/transport", b"b.example smtp:[192.0.2.2]:25\n")
    change = rig.publisher.publish(EVERYTHING)
    assert change is not None
    assert [entry.path for entry in change.verified.change_set.change.puts] == ["etc/pmg/transport"]
    assert rig.head.manifest[ManagedPath(DOMAINS)] == before
    (problem,) = rig.publisher.problems
    assert DOMAINS in str(problem)
    assert problem.mend


def test_a_name_that_is_not_utf_8_is_a_problem_of_its_own() -> None:
    rig = published()
    rig.tree.put("etc/pmg/acme/caf\udce9", b"x")
    assert rig.publisher.publish(EVERYTHING) is None
    (problem,) = rig.publisher.problems
    assert "UTF-8" in problem.what
    str(problem).encode()


def test_a_huge_file_is_never_read() -> None:
    rig = published()
    rig.tree.put_sparse("etc/pmg/acme/huge", 2 << 30)
    assert rig.publisher.publish(EVERYTHING) is None
    assert "etc/pmg/acme/huge" in str(rig.publisher.problems[0])


def test_a_problem_that_is_mended_is_forgotten_and_the_file_published() -> None:
    rig = published()
    rig.tree.unreadable.add(DOMAINS)
    rig.tree.put(DOMAINS, b"b.example 1\n")
    assert rig.publisher.publish(look(DOMAINS)) is None
    assert rig.publisher.problems
    rig.tree.unreadable.clear()
    assert rig.publisher.publish(look(DOMAINS)) is not None
    assert rig.publisher.problems == ()


class Shifty(MemoryTree):
    """A tree in which something happens right after each of the next reads."""

    def __init__(self) -> None:
        super().__init__()
        self.after_read: list[tuple[str, bytes | None]] = []

    def read(  # type: ignore[no-untyped-def]  # noqa: ANN201
        self, path: str, *, limit: int, ask_for_writers: bool = False
    ):
        answer = super().read(path, limit=limit, ask_for_writers=ask_for_writers)
        if self.after_read:
            edited, content = self.after_read.pop(0)
            self.drop(edited)
            if content is not None:
                self.put(edited, content)
        return answer


def shifty() -> tuple[Rig, Shifty]:
    tree = Shifty()
    for path, content in FILES.items():
        tree.put(path, content)
    rig = Rig(tree=tree)
    rig.publisher.publish(EVERYTHING)
    return rig, tree


def test_a_file_that_changed_since_it_was_looked_at_is_looked_at_again() -> None:
    rig, tree = shifty()
    hold = rig.holds.hold("root", 1)
    rig.edit(DOMAINS, b"first\n")  # looked at while on hold, so its content was not kept
    rig.holds.end(hold)
    tree.put(DOMAINS, b"second\n")
    change = rig.publisher.publish(Look())
    assert change is not None
    assert change.verified.manifest[ManagedPath(DOMAINS)].digest == digest_of(b"second\n")


def test_a_file_that_became_unreadable_meanwhile_keeps_what_the_newest_version_has() -> None:
    rig, tree = shifty()
    hold = rig.holds.hold("root", 1)
    rig.edit(DOMAINS, b"first\n")
    rig.edit("etc/pmg/transport", b"t\n")
    rig.holds.end(hold)
    tree.unreadable.add(DOMAINS)
    change = rig.publisher.publish(Look())
    assert change is not None
    assert [entry.path for entry in change.verified.change_set.change.puts] == ["etc/pmg/transport"]
    assert DOMAINS in str(rig.publisher.problems)
    tree.unreadable.clear()
    assert rig.publisher.publish(look(DOMAINS)) is not None


def test_a_new_file_that_cannot_be_read_again_is_left_out() -> None:
    rig, tree = shifty()
    hold = rig.holds.hold("root", 1)
    rig.edit("etc/pmg/acme/new", b"first\n")
    rig.holds.end(hold)
    tree.restless.add("etc/pmg/acme/new")
    assert rig.publisher.publish(Look()) is None
    assert len(rig.publisher.problems) == 1
    tree.restless.clear()
    assert rig.publisher.publish(look("etc/pmg/acme/new")) is not None


def test_an_edit_during_the_look_is_found_by_the_next() -> None:
    rig, tree = shifty()
    tree.put(DOMAINS, b"first\n")
    tree.after_read = [(DOMAINS, b"second\n")]
    first = rig.publisher.publish(look(DOMAINS))
    second = rig.publisher.publish(look(DOMAINS))
    assert first is not None
    assert second is not None
    assert rig.head.manifest == tree_of(rig)


# --- holds ---------------------------------------------------------------------------------------


def test_while_anybody_holds_nothing_is_published_and_afterwards_all_is_one() -> None:
    rig = published()
    hold = rig.holds.hold("root", 1, message="both at once")
    rig.edit("etc/pmg/dkim/k.private", b"key")
    rig.edit("etc/pmg/pmg.conf", b"section: admin\n\n")
    assert rig.version == 1
    rig.holds.end(hold)
    change = rig.publisher.publish(Look())
    assert change is not None
    assert len(change.verified.change_set.change.puts) == 2
    assert change.verified.change_set.message == "both at once"
    assert rig.holds.message == ""


def test_a_message_waits_for_the_version_that_could_not_be_stored() -> None:
    rig = published()
    rig.holds.end(rig.holds.hold("root", 1, message="important"))
    rig.store.full = True
    with pytest.raises(StoreError):
        rig.edit(DOMAINS, b"b.example 1\n")
    rig.store.full = False
    change = rig.publisher.publish(Look())
    assert change is not None
    assert change.verified.change_set.message == "important"


def test_a_hold_that_led_to_nothing_says_nothing_later() -> None:
    rig = published()
    rig.holds.end(rig.holds.hold("root", 1, message="for nothing"))
    rig.publisher.publish(Look())
    change = rig.edit(DOMAINS, b"b.example 1\n")
    assert change is not None
    assert change.verified.change_set.message == ""


def test_a_hold_taken_while_a_look_is_going_on_counts() -> None:
    rig = published()
    rig.tree.put(DOMAINS, b"b.example 1\n")
    observed = rig.publisher.prepare(look(DOMAINS))
    rig.holds.hold("root", 1)
    assert rig.publisher.commit(observed) is None
    assert rig.version == 1


# --- the guard -----------------------------------------------------------------------------------


def emptied() -> Rig:
    rig = published()
    rig.tree.drop("etc/pmg")
    assert rig.publisher.publish(EVERYTHING) is None
    return rig


def test_an_emptied_tree_is_held_and_named() -> None:
    rig = emptied()
    assert rig.version == 1
    assert rig.publisher.held == Held(2, "delete 5 of the 5 synced files, etc/pmg/pmg.conf too")
    assert "`pmgsync confirm 2`" in str(rig.publisher.held)


def test_emptying_it_file_by_file_is_held_too() -> None:
    rig = published()
    for path in sorted(FILES, reverse=True):
        rig.tree.drop(path)
        rig.publisher.publish(EVERYTHING)
    assert rig.publisher.held is not None
    left = len(rig.head.manifest)
    assert 2 * left >= len(FILES)
    rig.publisher.confirm(rig.publisher.held.version)
    assert len(rig.head.manifest) == 0
    rig.tree.put(DOMAINS, b"new.example 1\n")
    assert rig.publisher.publish(EVERYTHING) is not None


def test_the_files_are_back_and_nothing_is_held() -> None:
    rig = emptied()
    for path, content in FILES.items():
        rig.tree.put(path, content)
    assert rig.publisher.publish(EVERYTHING) is None
    assert rig.publisher.held is None
    with pytest.raises(OperatorError, match="nothing is held"):
        rig.publisher.confirm(2)


def test_confirm_publishes_it() -> None:
    rig = emptied()
    change = rig.publisher.confirm(2, "really")
    assert change.verified.manifest == Manifest()
    assert change.verified.change_set.message == "really"
    assert rig.publisher.held is None
    assert rig.version == 2


def test_confirm_takes_new_contents_along() -> None:
    rig = emptied()
    rig.tree.put("etc/pmg/acme/new", b"new")
    change = rig.publisher.confirm(2)
    assert change.contents == {digest_of(b"new"): b"new"}
    assert rig.store.content(digest_of(b"new")) == b"new"


def test_confirm_wants_the_right_number() -> None:
    rig = emptied()
    with pytest.raises(OperatorError, match="`pmgsync confirm 2`"):
        rig.publisher.confirm(7)
    assert rig.version == 1


def test_confirm_without_anything_held() -> None:
    with pytest.raises(OperatorError, match="nothing is held"):
        published().publisher.confirm(2)


def test_confirm_while_on_hold() -> None:
    rig = emptied()
    rig.holds.hold("root", 1)
    with pytest.raises(OperatorError, match="pmgsync release"):
        rig.publisher.confirm(2)


def test_what_was_confirmed_is_what_was_shown() -> None:
    rig = published()
    rig.tree.drop("etc/pmg/pmg.conf")
    rig.publisher.publish(EVERYTHING)
    rig.tree.drop("etc/pmg")
    with pytest.raises(OperatorError, match="changed meanwhile"):
        rig.publisher.confirm(2)
    assert rig.version == 1
    assert rig.publisher.held is not None
    assert "5 of the 5" in rig.publisher.held.reason
    rig.publisher.confirm(2)
    assert rig.version == 2


def test_the_files_come_back_between_the_question_and_the_answer() -> None:
    rig = emptied()
    for path, content in FILES.items():
        rig.tree.put(path, content)
    with pytest.raises(OperatorError, match="nothing is held"):
        rig.publisher.confirm(2)
    assert rig.publisher.held is None


def test_a_held_change_is_held_again_after_a_restart() -> None:
    rig = emptied()
    again = Rig(rig.store.crash(), rig.tree)
    assert again.publisher.publish(EVERYTHING) is None
    assert again.publisher.held == rig.publisher.held


def test_a_lost_content_is_an_error_and_no_version() -> None:
    rig = published()
    rig.tree.put(DOMAINS, b"b.example 1\n")
    observed = rig.publisher.prepare(look(DOMAINS))
    with pytest.raises(StoreError):
        rig.publisher.commit(Observed(observed.target))
    assert rig.version == 1


# --- any order of anything -----------------------------------------------------------------------

PATHS = [*FILES, "etc/pmg/acme/one", "etc/pmg/acme/two", "etc/pmg/dkim/k.private"]
edits = st.tuples(
    st.sampled_from(PATHS), st.sampled_from([b"1", b"2", b"3", None]), st.sampled_from("selfh")
)


@given(st.lists(edits, max_size=25))
def test_after_any_history_a_look_everywhere_leaves_no_difference(
    history: list[tuple[str, bytes | None, str]],
) -> None:
    rig = published()
    for path, content, how in history:
        rig.store.full = how == "f"
        hold = rig.holds.hold("run", 1) if how == "h" else None
        try:
            rig.edit(path, content)  # with the right look, a wrong one, or into a full disk
        except StoreError:
            assert how == "f"
        if hold:
            rig.holds.end(hold)
    rig.store.full = False
    rig.publisher.publish(EVERYTHING)
    if rig.publisher.held is not None:
        rig.publisher.confirm(rig.publisher.held.version)
    assert rig.head.manifest == tree_of(rig)
    node = TrustedHistory([sample.seal_membership(sample.genesis())])
    for record in rig.store.after(0):
        node.accept(record.envelope)
    assert node.head.manifest == rig.head.manifest
    assert rig.version == node.head.position.version


def test_a_content_that_pruning_drops_before_the_append_is_handed_in() -> None:
    class Pruning(MemoryStore):
        def missing(self, digests: Iterable[Digest]) -> frozenset[Digest]:
            wanted = set(digests)
            found = super().missing(wanted)
            for digest in wanted:
                self._write("prune").contents.pop(digest, None)
            return found

    rig = Rig(Pruning())
    rig.publisher.publish(EVERYTHING)
    rig.store.add_contents({digest_of(b"idle\n"): b"idle\n"})
    published = rig.edit("etc/pmg/domains", b"idle\n")
    assert published is not None
    assert rig.store.content(digest_of(b"idle\n")) == b"idle\n"


def test_what_was_seen_under_a_hold_is_not_published_after_it() -> None:
    rig = Rig()
    hold = rig.holds.hold("run", 0)
    observed = rig.publisher.prepare(EVERYTHING)
    rig.holds.end(hold)
    assert rig.publisher.commit(observed) is None
    assert rig.publisher.publish(EVERYTHING) is not None
