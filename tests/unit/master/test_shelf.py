"""Contents are read once while anybody sends them, and the small ones a little longer."""

import gc

import pytest

from pmgsync.errors import StoreDamagedError
from pmgsync.master.shelf import SHELF_BYTES, Shelf
from pmgsync.model.manifest import Digest, digest_of
from tests.sim.store import MemoryStore


class CountingStore(MemoryStore):
    """Counts what is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read: list[Digest] = []
        self.damaged = False

    def content(self, digest: Digest) -> bytes:
        self.read.append(digest)
        if self.damaged:
            raise StoreDamagedError("is damaged", where="database", mend="move it away")
        return super().content(digest)


def shelf_with(*contents: bytes) -> tuple[CountingStore, Shelf, list[Digest]]:
    store = CountingStore()
    named = {digest_of(data): data for data in contents}
    store.add_contents(named)
    return store, Shelf(store), list(named)


def test_small_ones_stay() -> None:
    store, shelf, (digest,) = shelf_with(b"small")
    for _ in range(3):
        loaded = shelf.get(digest)
        assert loaded is not None
        assert loaded.data == b"small"
        del loaded
        gc.collect()
    assert store.read == [digest]


def test_large_ones_stay_while_somebody_sends_them() -> None:
    store, shelf, (digest,) = shelf_with(b"x" * SHELF_BYTES)
    first, second = shelf.get(digest), shelf.get(digest)
    assert first is second
    assert store.read == [digest]
    del first, second
    gc.collect()
    shelf.get(digest)
    assert len(store.read) == 2


def test_the_shelf_has_a_limit() -> None:
    size = SHELF_BYTES // 8
    store, shelf, digests = shelf_with(*(bytes([n]) * size for n in range(20)))
    for digest in digests:
        shelf.get(digest)
    gc.collect()
    shelf.get(digests[-1])
    assert len(store.read) == 20
    shelf.get(digests[0])
    assert len(store.read) == 21


def test_what_was_put_there_is_not_read() -> None:
    store, shelf, _ = shelf_with()
    digest = digest_of(b"new")
    shelf.put({digest: b"new"})
    shelf.put({digest: b"new"})
    loaded = shelf.get(digest)
    assert loaded is not None
    assert store.read == []


def test_what_is_not_there_is_none_and_asked_again() -> None:
    store, shelf, _ = shelf_with()
    digest = digest_of(b"later")
    assert shelf.get(digest) is None
    store.add_contents({digest: b"later"})
    assert shelf.get(digest) is not None


def test_a_damaged_store_is_not_taken_for_a_missing_content() -> None:
    store, shelf, (digest,) = shelf_with(b"x")
    store.damaged = True
    with pytest.raises(StoreDamagedError):
        shelf.get(digest)
