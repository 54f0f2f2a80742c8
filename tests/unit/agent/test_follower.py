"""The follower: each message, in any order and any shape, and what it makes of it."""

from dataclasses import replace

import pytest

from pmgsync.agent.follower import Ask, AskResync, ChainGrew, Heard, PassedOver, Ready, Refused, Saw
from pmgsync.errors import (
    BadSignatureError,
    DigestMismatchError,
    GapError,
    MalformedError,
    PeerError,
    StaleError,
)
from pmgsync.model.canonical import MAX_DOCUMENT_BYTES
from pmgsync.model.changeset import Position
from pmgsync.model.envelope import Envelope, Signature
from pmgsync.model.heartbeat import Heartbeat
from pmgsync.model.manifest import digest_of
from pmgsync.model.messages import Beat, Contents, Memberships, Offer, Part, SnapshotPart, View
from pmgsync.model.trust import Head, TrustedHistory
from tests.sim.author import Author, Version
from tests.unit.agent.following import BIG, CONF, KEY, LARGE, Node, parts_of


@pytest.fixture
def author() -> Author:
    return Author()


@pytest.fixture
def node(author: Author) -> Node:
    return Node(author)


# --- offers ---


def test_an_offer_with_its_contents_is_ready(author: Author, node: Node) -> None:
    version = author.version({CONF: b"conf", KEY: b""})
    assert node.hear(version.offer()) == [Ready()]
    advance = node.follower.advance()
    assert advance is not None
    assert (advance.position, advance.manifest) == (version.head.position, version.head.manifest)
    assert advance.records == (version.record,)
    assert node.follower.contents == version.contents


def test_an_offer_without_its_contents_asks_for_them(author: Author, node: Node) -> None:
    version = author.version({CONF: b"conf", KEY: b"key"})
    wanted = tuple(sorted([digest_of(b"conf"), digest_of(b"key")]))
    assert node.hear(version.offer(inline=False)) == [Ask(wanted)]
    assert node.follower.advance() is None
    assert node.follower.still_lacking() == ()
    assert node.hear(version.answer(wanted[:1])) == []
    assert node.hear(version.answer(wanted[1:])) == [Ready()]


def test_what_the_store_has_is_not_asked_for(author: Author, node: Node) -> None:
    node.stored.add(digest_of(b"conf"))
    assert node.hear(author.version({CONF: b"conf"}).offer(inline=False)) == [Ready()]


def test_a_deletion_needs_nothing(author: Author, node: Node) -> None:
    node.hear(author.version({CONF: b"a", KEY: b"b"}).offer())
    node.activate()
    assert node.hear(author.version({}, KEY).offer(inline=False)) == [Ready()]


AGAIN = PassedOver("version 1.1 is not newer than 1.1")


def test_an_offer_that_is_known_is_a_line_in_the_log(author: Author, node: Node) -> None:
    version = author.version({CONF: b"conf"})
    node.hear(version.offer())
    assert node.hear(version.offer()) == [AGAIN]
    node.activate()
    assert node.hear(version.offer(), version.answer((digest_of(b"conf"),))) == [AGAIN]
    assert node.follower.advance() is None


def test_several_offers_become_one_advance(author: Author, node: Node) -> None:
    versions = [author.version({CONF: b"%d" % number}) for number in range(4)]
    node.hear(*(version.offer() for version in versions))
    advance = node.follower.advance()
    assert advance is not None
    assert advance.position == Position(1, 4)
    assert advance.records == tuple(version.record for version in versions)


def test_only_the_last_of_a_batch_is_asked_for_and_applied(author: Author, node: Node) -> None:
    versions = [author.version({CONF: b"%d" % number, KEY: b"key"}) for number in range(4)]
    offers = [version.offer(inline=number == 0) for number, version in enumerate(versions)]
    for offer in offers[:-1]:
        assert node.hear(replace(offer, more=True)) == []
        assert node.follower.advance() is None
    assert node.hear(versions[1].answer((digest_of(b"1"),))) == []
    assert node.hear(offers[-1]) == [Ask((digest_of(b"3"),))]
    assert node.hear(versions[3].answer((digest_of(b"3"),))) == [Ready()]
    advance = node.follower.advance()
    assert advance is not None
    assert advance.records == tuple(version.record for version in versions)


@pytest.mark.parametrize("known", [True, False])
def test_what_a_batch_held_back_is_not_lost(author: Author, node: Node, known: bool) -> None:
    """The last one is known already, or the stream ends before it."""
    first, second = author.version({CONF: b"1"}), author.version({CONF: b"2"})
    assert node.hear(first.offer()) == [Ready()]
    assert node.hear(replace(second.offer(), more=True)) == []
    assert node.follower.advance() is None
    if known:
        assert node.hear(replace(first.offer(), more=True)) == [
            PassedOver("version 1.1 is not newer than 1.2")
        ]
        assert node.hear(second.offer())[1:] == [Ready()]
    else:
        node.follower.stream_begins()
        assert node.follower.still_lacking() == (Ready(),)
    assert node.follower.advance() is not None


def test_offers_during_an_apply_become_the_next_advance(author: Author, node: Node) -> None:
    node.hear(author.version({CONF: b"one", BIG: LARGE}).offer())
    first = node.follower.advance()
    assert first is not None
    later = [author.version({CONF: b"two", KEY: b"k"}), author.version({CONF: b"three"})]
    node.hear(*(version.offer() for version in later))
    node.follower.activated(Head(first.position, first.manifest))
    advance = node.follower.advance()
    assert advance is not None
    assert advance.position == Position(1, 3)
    assert [record.change for record in advance.records] == [v.change for v in later]
    assert {digest_of(b"k"), digest_of(b"three")} <= node.follower.contents.keys()
    assert digest_of(b"two") not in node.follower.contents


def test_a_version_between_may_turn_out_to_be_active(author: Author, node: Node) -> None:
    versions = [author.version({CONF: b"%d" % number}) for number in range(3)]
    node.hear(*(version.offer() for version in versions))
    node.follower.activated(versions[1].head)
    advance = node.follower.advance()
    assert advance is not None
    assert advance.records == (versions[2].record,)


def test_a_gap_asks_for_a_snapshot(author: Author, node: Node) -> None:
    author.version({CONF: b"one"})
    assert node.hear(author.version({CONF: b"two"}).offer()) == [AskResync()]
    assert node.follower.wanted is None


def test_another_base_asks_for_a_snapshot(author: Author, node: Node) -> None:
    stranger = Author()
    node.hear(stranger.version({CONF: b"what this node was told"}).offer())
    author.version({CONF: b"what was published"})
    assert node.hear(author.version({KEY: b"two"}).offer()) == [AskResync()]


def altered(offer: Offer) -> Offer:
    envelope = Envelope.from_bytes(offer.envelope)
    (signature,) = envelope.signatures
    wrong = Signature(signature.key_id, bytes(64))
    return Offer(replace(envelope, signatures=(wrong,)).to_bytes(), offer.parts)


def test_an_altered_offer_changes_nothing(author: Author, node: Node) -> None:
    version = author.version({CONF: b"conf"})
    with pytest.raises(BadSignatureError):
        node.hear(altered(version.offer()))
    assert node.follower.wanted is None
    assert node.follower.contents == {}
    assert node.hear(version.offer()) == [Ready()]


def test_bytes_that_are_no_envelope_are_refused(node: Node) -> None:
    for message in (Offer(b"{}"), Memberships((b"x",)), Beat(b""), SnapshotPart(b"", 2, 0, b"{}")):
        with pytest.raises(PeerError):
            node.hear(message)


# --- contents ---


def test_parts_in_order_make_the_whole(author: Author, node: Node) -> None:
    node.hear(author.version({BIG: LARGE}).offer(inline=False))
    *most, last = [Contents((part,)) for part in parts_of(LARGE, 130)]
    assert node.hear(*most) == []
    assert node.hear(last) == [Ready()]
    assert node.follower.contents == {digest_of(LARGE): LARGE}


def test_several_parts_in_one_message(author: Author, node: Node) -> None:
    node.hear(author.version({BIG: LARGE}).offer(inline=False))
    assert node.hear(Contents(tuple(parts_of(LARGE, 130)))) == [Ready()]


def test_two_contents_may_come_interleaved(author: Author, node: Node) -> None:
    other = LARGE[::-1]
    node.hear(author.version({BIG: LARGE, KEY: other}).offer(inline=False))
    both = zip(parts_of(LARGE, 300), parts_of(other, 300), strict=True)
    assert node.hear(*(Contents(pair) for pair in both)) == [Ready()]


def test_a_content_may_begin_again(author: Author, node: Node) -> None:
    node.hear(author.version({BIG: LARGE}).offer(inline=False))
    parts = parts_of(LARGE, 400)
    assert node.hear(Contents((*parts[:2], *parts))) == [Ready()]


@pytest.mark.parametrize("order", [(1,), (0, 2), (0, 1, 1)])
def test_parts_that_do_not_follow_are_refused(
    author: Author, node: Node, order: tuple[int, ...]
) -> None:
    node.hear(author.version({BIG: LARGE}).offer(inline=False))
    parts = parts_of(LARGE, 300)
    with pytest.raises(MalformedError, match="do not follow"):
        node.hear(Contents(tuple(parts[number] for number in order)))


def test_more_than_was_announced_is_refused(author: Author, node: Node) -> None:
    node.hear(author.version({BIG: LARGE}).offer(inline=False))
    with pytest.raises(MalformedError):
        node.hear(Contents((Part(digest_of(LARGE), len(LARGE), 0, LARGE + b"x"),)))


def test_another_size_than_was_signed_is_refused(author: Author, node: Node) -> None:
    node.hear(author.version({BIG: LARGE}).offer(inline=False))
    with pytest.raises(DigestMismatchError, match="as long as"):
        node.hear(Contents((Part(digest_of(LARGE), 10, 0, b"0123456789"),)))
    assert node.follower.contents == {}


def test_another_content_than_was_signed_is_refused(author: Author, node: Node) -> None:
    version = author.version({BIG: LARGE})
    node.hear(version.offer(inline=False))
    wrong = b"x" + LARGE[1:]
    with pytest.raises(DigestMismatchError):
        node.hear(Contents((Part(digest_of(LARGE), len(wrong), 0, wrong),)))
    assert node.follower.contents == {}
    node.follower.stream_begins()
    assert node.follower.still_lacking() == (Ask((digest_of(LARGE),)),)
    assert node.hear(version.answer((digest_of(LARGE),))) == [Ready()]


def test_a_content_that_the_master_lacks_is_an_error(author: Author, node: Node) -> None:
    node.hear(author.version({BIG: LARGE}).offer(inline=False))
    with pytest.raises(MalformedError, match="does not have"):
        node.hear(Contents((Part(digest_of(LARGE), -1, 0, b""),)))


def test_what_nobody_asked_for_is_not_kept(author: Author, node: Node) -> None:
    version = author.version({CONF: b"conf"})
    assert node.hear(Contents(tuple(parts_of(LARGE, 100)))) == []
    node.hear(version.offer(inline=False), Contents(tuple(parts_of(LARGE, 100))))
    assert node.follower.contents == {}


def test_a_bad_part_along_with_an_offer_is_made_up_for(author: Author, node: Node) -> None:
    version = author.version({CONF: b"conf", KEY: b"key"})
    bad = Part(digest_of(b"conf"), 4, 0, b"xxxx")
    with pytest.raises(DigestMismatchError):
        node.hear(Offer(version.envelope.to_bytes(), (bad,)))
    assert node.follower.wanted is not None
    node.follower.stream_begins()
    (ask,) = node.follower.still_lacking()
    assert isinstance(ask, Ask)
    assert node.hear(version.answer(ask.digests)) == [Ready()]


def test_a_content_that_comes_while_nobody_wants_it_is_asked_for_again(
    author: Author, node: Node
) -> None:
    node.hear(author.version({BIG: LARGE}).offer(inline=False))
    parts = parts_of(LARGE, 300)
    node.hear(Contents((parts[0],)))
    assert node.hear(author.version({BIG: b"small"}).offer()) == [Ready()]
    node.hear(*(Contents((part,)) for part in parts[1:]))
    assert digest_of(LARGE) not in node.follower.contents
    again = author.version({BIG: LARGE}).offer(inline=False)
    assert node.hear(again) == [Ask((digest_of(LARGE),))]


def test_a_content_may_become_wanted_again_in_the_middle(author: Author, node: Node) -> None:
    node.hear(author.version({BIG: LARGE}).offer(inline=False))
    first, second, *rest = [Contents((part,)) for part in parts_of(LARGE, 300)]
    node.hear(first, author.version({BIG: b"small"}).offer(), second)
    assert node.hear(author.version({BIG: LARGE}).offer(inline=False)) == []
    assert node.hear(*rest) == [Ready()]


def test_a_content_of_a_skipped_version_can_be_had_later(author: Author, node: Node) -> None:
    wanted = (digest_of(LARGE),)
    first = author.version({BIG: LARGE})
    node.hear(first.offer(inline=False), first.answer(wanted))
    node.hear(author.version({BIG: b"small"}).offer())
    node.activate()
    assert node.hear(author.version({BIG: LARGE}).offer(inline=False)) == [Ask(wanted)]


def test_nothing_stays_in_memory_after_an_activation(author: Author, node: Node) -> None:
    node.hear(author.version({BIG: LARGE, CONF: b"conf"}).offer())
    node.activate()
    assert node.follower.contents == {}
    assert node.follower.wanted is None
    assert node.follower.still_lacking() == ()


# --- streams ---


def test_a_new_stream_asks_again_for_what_is_lacking(author: Author, node: Node) -> None:
    node.hear(author.version({BIG: LARGE, CONF: b"conf"}).offer(inline=False))
    parts = parts_of(LARGE, 300)
    node.hear(Contents(tuple(parts_of(b"conf", 10))), Contents((parts[0],)))
    node.follower.stream_begins()
    assert node.follower.still_lacking() == (Ask((digest_of(LARGE),)),)
    assert node.hear(*(Contents((part,)) for part in parts)) == [Ready()]


def test_a_new_stream_with_nothing_lacking_is_ready_at_once(author: Author, node: Node) -> None:
    node.hear(author.version({CONF: b"conf"}).offer())
    node.follower.stream_begins()
    assert node.follower.still_lacking() == (Ready(),)


# --- snapshots ---


def resync(author: Author) -> tuple[Version, list[SnapshotPart]]:
    author.version({CONF: b"one", BIG: LARGE})
    version = author.version({KEY: b"two"})
    return version, version.snapshot(step=50)


def test_a_snapshot_is_put_together_and_wanted(author: Author, node: Node) -> None:
    version, parts = resync(author)
    assert len(parts) > 2
    wanted = tuple(sorted(version.head.manifest.digests))
    assert node.hear(*parts) == [Ask(wanted)]
    assert node.hear(version.answer(wanted)) == [Ready()]
    advance = node.follower.advance()
    assert advance is not None
    assert advance.manifest == version.head.manifest
    assert [entry.path for entry in advance.records[0].change.puts] == sorted(version.files)


def test_a_snapshot_after_versions_that_wait_continues_their_log(
    author: Author, node: Node
) -> None:
    first = author.version({CONF: b"one"})
    node.hear(first.offer(inline=False))
    author.version({CONF: b"two"})
    third = author.version({KEY: b"three"})
    node.hear(*third.snapshot())
    node.hear(third.answer(tuple(third.contents)))
    advance = node.follower.advance()
    assert advance is not None
    assert advance.records[0] == first.record
    assert [entry.path for entry in advance.records[1].change.puts] == [KEY, CONF]


def test_a_snapshot_may_begin_again(author: Author, node: Node) -> None:
    _, parts = resync(author)
    assert len(node.hear(*parts[:2], *parts)) == 1


def test_a_snapshot_that_is_not_newer_is_passed_over(author: Author, node: Node) -> None:
    version = author.version({CONF: b"one"})
    node.hear(version.offer())
    assert node.hear(*version.snapshot(step=50)) == [AGAIN]


def test_a_snapshot_in_disorder_is_refused(author: Author, node: Node) -> None:
    _, parts = resync(author)
    for order in ((1,), (0, 2), (0, 1, 1)):
        with pytest.raises(MalformedError):
            node.hear(*(parts[number] for number in order))
        node.follower.stream_begins()


def test_a_snapshot_with_another_manifest_is_refused(author: Author, node: Node) -> None:
    _, (first, *rest) = resync(author)
    other = Author().version({CONF: b"other"}).snapshot(step=10**6)[0]
    with pytest.raises(PeerError):
        node.hear(replace(first, total=other.total, data=other.data))
    assert node.follower.wanted is None
    assert len(node.hear(first, *rest)) == 1


def test_a_snapshot_that_is_too_large_is_refused_before_it_is_taken(
    author: Author, node: Node
) -> None:
    _, (first, *_) = resync(author)
    with pytest.raises(MalformedError, match="too large"):
        node.hear(replace(first, total=MAX_DOCUMENT_BYTES + 1))
    with pytest.raises(MalformedError):
        node.hear(replace(first, total=-1))


def test_while_a_snapshot_comes_no_other_is_asked_for(author: Author, node: Node) -> None:
    version, parts = resync(author)
    assert node.hear(parts[0]) == []
    assert node.hear(version.offer(), author.beat()) == [Heard(heartbeat_of(author))]
    assert len(node.hear(*parts[1:])) == 1


def heartbeat_of(author: Author) -> Heartbeat:
    history = TrustedHistory(tuple(author.chain))
    again = Author()
    again.head, again._count = author.head, author._count - 1
    return history.accept_heartbeat(Envelope.from_bytes(again.beat().envelope))


# --- memberships, heartbeats, views ---


def test_new_members_make_the_chain_grow(author: Author, node: Node) -> None:
    first = author.grow()
    assert node.hear(first) == [ChainGrew()]
    assert node.hear(first) == []
    second, third = author.grow(), author.grow()
    both = Memberships((*first.envelopes, *second.envelopes, *third.envelopes))
    assert node.hear(both) == [ChainGrew()]
    assert node.follower.history.membership.serial == 4


def test_a_link_that_is_missing_is_refused(author: Author, node: Node) -> None:
    author.grow()
    with pytest.raises(GapError):
        node.hear(author.grow())
    assert node.follower.history.membership.serial == 1


def test_links_before_one_that_is_wrong_count_and_are_told_of(author: Author, node: Node) -> None:
    """Else they were believed, and nobody would write them down or act on them."""
    good, _ = author.grow(), author.grow()
    wrong = author.grow()
    grew, refused = node.follower.on(Memberships((*good.envelopes, *wrong.envelopes)))
    assert grew == ChainGrew()
    assert isinstance(refused, Refused)
    assert isinstance(refused.error, GapError)
    assert node.follower.history.membership.serial == 2
    with pytest.raises(GapError):
        node.hear(Memberships((*good.envelopes, *wrong.envelopes)))


def test_a_heartbeat_is_heard(author: Author, node: Node) -> None:
    node.hear(author.version({CONF: b"one"}).offer())
    (heard,) = node.hear(author.beat())
    assert isinstance(heard, Heard)
    assert heard.heartbeat.position == Position(1, 1)


def test_a_heartbeat_ahead_asks_for_what_was_withheld(author: Author, node: Node) -> None:
    author.version({CONF: b"one"})
    heard, resync = node.hear(author.beat())
    assert isinstance(heard, Heard)
    assert resync == AskResync()


def test_a_heartbeat_before_the_first_version_is_not_ahead(author: Author, node: Node) -> None:
    (heard,) = node.hear(author.beat(0))
    assert isinstance(heard, Heard)


def test_a_heartbeat_counts_once_a_stream(author: Author, node: Node) -> None:
    beat = author.beat(0)
    node.hear(beat)
    with pytest.raises(StaleError):
        node.hear(beat)
    node.follower.stream_begins()
    assert len(node.hear(beat)) == 1


def test_a_view_is_seen_if_it_is_text(node: Node) -> None:
    assert node.hear(View(b"{}")) == [Saw(b"{}")]
    with pytest.raises(MalformedError):
        node.hear(View(b"\xff"))
