"""However versions, contents and cuts fall together, the newest state is reached."""

import random
from collections.abc import Iterable

import pytest

from pmgsync.agent.follower import Action, Ask, Ready
from pmgsync.model.manifest import Digest
from pmgsync.model.messages import Contents, Part
from tests.sim.author import Author
from tests.unit.agent.following import BIG, CONF, KEY, Node, parts_of


class Chance:
    """A master and a network that do what the dice say."""

    def __init__(self, seed: int) -> None:
        self.dice, self.author = random.Random(seed), Author()
        self.node = Node(self.author)
        self.known: dict[Digest, bytes] = {}
        self.sending: list[Contents] = []

    def hear(self, message: object) -> None:
        self.act(self.node.hear(message))

    def act(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Ask):
                for digest in action.digests:
                    self.send(digest)
            elif isinstance(action, Ready) and self.dice.random() < 0.5:
                self.node.activate()

    def send(self, digest: Digest) -> None:
        step = self.dice.choice([3, 40, 2000])
        parts = parts_of(self.known[digest], step) or [Part(digest, 0, 0, b"")]
        self.sending.extend(Contents((part,)) for part in parts)

    def deliver(self, most: int) -> None:
        for _ in range(min(most, len(self.sending))):
            self.hear(self.sending.pop(0))

    def publish(self) -> None:
        path, size = self.dice.choice([CONF, KEY, BIG]), self.dice.choice([0, 1, 90])
        version = self.author.version({path: self.dice.randbytes(size)})
        self.known |= version.contents
        self.hear(version.offer(inline=self.dice.random() < 0.3))

    def cut(self) -> None:
        self.sending.clear()
        self.node.follower.stream_begins()
        self.act(self.node.follower.still_lacking())


@pytest.mark.parametrize("seed", range(30))
def test_however_contents_come_the_newest_state_is_reached(seed: int) -> None:
    chance = Chance(seed)
    for _ in range(25):
        chance.deliver(chance.dice.randrange(4))
        chance.publish()
        if chance.dice.random() < 0.1:
            chance.cut()
    while chance.sending:
        chance.deliver(1)
    if chance.node.follower.wanted is not None:
        chance.node.activate()
    assert chance.node.follower.wanted is None
    assert chance.node.follower.history.head == chance.author.head
