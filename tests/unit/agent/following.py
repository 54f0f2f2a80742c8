"""A follower beside a store, as the role has it."""

import random
from collections.abc import Iterable

from pmgsync.agent.follower import Action, Follower
from pmgsync.model.manifest import Digest, Manifest, digest_of
from pmgsync.model.messages import Part
from pmgsync.model.trust import Head, TrustedHistory
from tests.sim.author import Author

CONF, KEY, BIG = "etc/pmg/pmg.conf", "etc/pmg/dkim/mail.private", "etc/pmg/acme/big"
LARGE = random.Random(7).randbytes(1000)


class Node:
    """A follower and the store that it asks."""

    def __init__(self, author: Author) -> None:
        self.stored: set[Digest] = set()
        history = TrustedHistory(tuple(author.chain))
        self.follower = Follower(history, Manifest(), self._missing)

    def _missing(self, digests: Iterable[Digest]) -> frozenset[Digest]:
        return frozenset(digests) - self.stored

    def hear(self, *messages: object) -> list[Action]:
        """All actions that these messages lead to."""
        return [action for m in messages for action in self.follower.on(m)]  # type: ignore[arg-type]

    def activate(self) -> Head:
        """Run what is wanted, as the role does."""
        advance = self.follower.advance()
        assert advance is not None
        head = Head(advance.position, advance.manifest)
        self.stored |= self.follower.contents.keys() & advance.manifest.digests
        self.follower.activated(head)
        return head


def parts_of(data: bytes, step: int) -> list[Part]:
    digest = digest_of(data)
    return [Part(digest, len(data), at, data[at : at + step]) for at in range(0, len(data), step)]
