"""What goes to every node is encoded once."""

from pmgsync.model.manifest import digest_of
from pmgsync.model.messages import Beat, Contents, Offer, Part
from pmgsync.wire.codec import encode_to_agent
from pmgsync.wire.master_end import SameForAll

PART = Part(digest_of(b"a"), 1, 0, b"a")


def test_an_offer_is_encoded_once_for_all_nodes() -> None:
    encoded, offer = SameForAll(), Offer(b"envelope", (PART,))
    assert encoded.encode(offer) == encode_to_agent(offer)
    assert encoded.encode(offer) is encoded.encode(offer)


def test_what_comes_next_is_not_taken_for_it() -> None:
    encoded = SameForAll()
    for message in (Offer(b"one"), Offer(b"two"), Beat(b"beat"), Offer(b"one", more=True)):
        assert encoded.encode(message) == encode_to_agent(message)


def test_what_goes_to_one_node_is_not_held_on_to() -> None:
    encoded, contents = SameForAll(), Contents((PART,))
    assert encoded.encode(contents) is not encoded.encode(contents)
