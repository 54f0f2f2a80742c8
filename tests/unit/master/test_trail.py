"""The log as the feeds see it: prepared once, at hand, and the same after a restart."""

from pmgsync.master import trail as trail_module
from pmgsync.master.catch_up import MOST_LINKS, Link
from pmgsync.master.publish import Published
from pmgsync.master.trail import Trail, inline_parts
from pmgsync.model.manifest import Manifest, digest_of
from pmgsync.model.messages import BATCH_BYTES, INLINE_BYTES, PART_BYTES, Part
from tests.unit.master.rig import EVERYTHING, FILES, Rig, look
from tests.unit.model import sample

DOMAINS = "etc/pmg/domains"


def rig_and_trail() -> tuple[Rig, Trail]:
    rig = Rig()
    return rig, Trail(rig.store, *rig.store.head())


def publish(rig: Rig, trail: Trail, path: str, content: bytes) -> Published:
    change = rig.edit(path, content)
    assert change is not None
    trail.add(change)
    return change


def test_an_empty_log_is_an_empty_trail() -> None:
    _, trail = rig_and_trail()
    assert trail.head is None
    assert list(trail.after(0)) == []
    assert trail.snapshot() == ()
    assert trail.snapshot_bytes == 0


def test_the_newest_version_is_the_head() -> None:
    rig, trail = rig_and_trail()
    change = publish(rig, trail, DOMAINS, b"x")
    assert trail.head == Link.of(change.verified.envelope)
    assert trail.head.end.manifest == rig.head.manifest.digest
    assert trail.offer(trail.head).envelope == change.envelope


def test_the_offer_of_the_newest_is_one_for_all() -> None:
    rig, trail = rig_and_trail()
    publish(rig, trail, DOMAINS, b"x")
    assert trail.head is not None
    assert trail.offer(trail.head) is trail.offer(trail.head)


def test_older_offers_carry_no_contents() -> None:
    rig, trail = rig_and_trail()
    publish(rig, trail, DOMAINS, b"x")
    publish(rig, trail, DOMAINS, b"y")
    first, second = trail.after(0)
    assert trail.offer(first).parts == ()
    assert [part.data for part in trail.offer(second).parts] == [b"y"]


def test_what_is_at_hand_and_what_the_log_gives_are_the_same() -> None:
    rig, trail = rig_and_trail()
    for number in range(5):
        publish(rig, trail, DOMAINS, b"%d" % number)
    later = Trail(rig.store, *rig.store.head())
    for version in range(5):
        assert list(later.after(version)) == list(trail.after(version))
    assert later.head == trail.head
    assert later.after(5) == []


def test_the_log_is_asked_once_for_many_nodes() -> None:
    rig, trail = rig_and_trail()
    for number in range(3):
        publish(rig, trail, DOMAINS, b"%d" % number)
    later = Trail(rig.store, *rig.store.head())
    assert later.after(1) is later.after(1)
    publish(rig, later, DOMAINS, b"new")
    assert [link.position.version for link in later.after(1)] == [2, 3, 4]


def test_what_the_log_has_forgotten_is_not_to_be_had() -> None:
    rig, trail = rig_and_trail()
    for number in range(5):
        publish(rig, trail, DOMAINS, b"%d" % number)
    rig.store.prune(2)
    assert Trail(rig.store, *rig.store.head()).after(1) in ([], ())


def test_only_so_much_is_kept_at_hand(monkeypatch) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    monkeypatch.setattr(trail_module, "RECENT_BYTES", 3000)
    rig, trail = rig_and_trail()
    for number in range(20):
        publish(rig, trail, DOMAINS, b"%d" % number)
    assert len(trail._links) < 20
    assert [link.position.version for link in trail.after(3)] == list(range(4, 21))


def test_the_number_kept_at_hand_is_bounded() -> None:
    rig, trail = rig_and_trail()
    for number in range(MOST_LINKS + 3):
        publish(rig, trail, DOMAINS, b"%d" % number)
    assert len(trail._links) == MOST_LINKS


def test_a_snapshot_is_the_complete_manifest_in_parts() -> None:
    rig, trail = rig_and_trail()
    for number in range(2500):
        rig.tree.put(f"etc/pmg/acme/{number:0200}", b"")
    change = rig.publisher.publish(EVERYTHING)
    assert change is not None
    trail.add(change)
    parts = trail.snapshot()
    assert len(parts) > 1
    assert all(len(part.data) <= PART_BYTES for part in parts)
    data = b"".join(part.data for part in parts)
    assert {part.total for part in parts} == {len(data)}
    assert Manifest.from_bytes(data, expected=rig.head.manifest.digest) == rig.head.manifest
    assert trail.snapshot_bytes == len(data) + len(change.envelope)
    assert trail.snapshot() is parts


def test_a_new_version_has_a_new_snapshot() -> None:
    rig, trail = rig_and_trail()
    publish(rig, trail, DOMAINS, b"x")
    before = trail.snapshot()
    publish(rig, trail, DOMAINS, b"y")
    assert trail.snapshot() != before


def test_small_new_contents_travel_with_the_offer() -> None:
    rig = Rig()
    change = rig.publisher.publish(EVERYTHING)
    assert change is not None
    expected = {Part(digest_of(data), len(data), 0, data) for data in FILES.values()}
    assert set(inline_parts(change)) == expected


def test_large_and_known_contents_do_not() -> None:
    rig = Rig()
    rig.publisher.publish(EVERYTHING)
    rig.tree.put("etc/pmg/acme/large", b"l" * (INLINE_BYTES + 1))
    rig.tree.put("etc/pmg/acme/limit", b"l" * INLINE_BYTES)
    rig.tree.put("etc/pmg/acme/copy", FILES[DOMAINS])
    change = rig.publisher.publish(look("etc/pmg/acme"))
    assert change is not None
    assert [len(part.data) for part in inline_parts(change)] == [INLINE_BYTES]


def test_equal_contents_travel_once() -> None:
    rig = Rig()
    rig.tree.put("etc/pmg/acme/one", b"same")
    rig.tree.put("etc/pmg/acme/two", b"same")
    change = rig.publisher.publish(EVERYTHING)
    assert change is not None
    digests = [part.digest for part in inline_parts(change)]
    assert len(digests) == len(set(digests))


def test_an_offer_has_its_limit() -> None:
    rig = Rig()
    for number in range(40):
        rig.tree.put(f"etc/pmg/acme/{number}", b"%05d" % number * 10_000)
    change = rig.publisher.publish(EVERYTHING)
    assert change is not None
    assert 0 < sum(len(part.data) for part in inline_parts(change)) <= BATCH_BYTES


def test_the_sample_history_is_a_trail_too() -> None:
    links = [Link.of(envelope) for envelope in sample.ENVELOPES]
    assert [link.parent for link in links[1:]] == [link.result for link in links[:-1]]
