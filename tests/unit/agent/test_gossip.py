"""Who has not heard of a newer epoch is told, and who has tells."""

from collections.abc import Collection

from pmgsync.agent.gossip import AT_ONCE, RARELY, Gossip, GossipParts
from pmgsync.agent.reach import ROUNDS
from pmgsync.errors import GapError, NotLetInError, PeerError, PmgsyncError, TransportError
from pmgsync.model.envelope import Envelope
from pmgsync.model.membership import Member
from pmgsync.model.messages import Memberships, ToAgent
from pmgsync.model.peers import Answer, Ask, Question, Standing, Tell
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import AgentEnd
from tests.sim.clock import FakeClock
from tests.unit.agent.stage import in_loop
from tests.unit.model.sample import STATES, key, member
from tests.unit.model.test_promotion import cluster, promotion


class Village:
    """Members with a chain each, of which `me` gossips."""

    def __init__(self, *chains: list[Envelope]) -> None:
        self.histories = {cid: TrustedHistory(chain) for cid, chain in enumerate(chains, 1)}
        self.asked: list[tuple[int, Question]] = []
        self.uninformed: list[int] = [cid for cid in self.histories if cid != 1]
        self.down: set[int] = set()
        self.missed: set[int] = set()
        self.why: PmgsyncError = TransportError("connection refused")
        self.shut_out: Collection[int] = ()
        self.clock = FakeClock()
        me = self.histories[1]
        self.gossip = Gossip(
            GossipParts(
                cid=1,
                peers=self,
                clock=self.clock,
                history=lambda: me,
                uninformed=lambda: [member(cid) for cid in self.uninformed],
                others=lambda: [member(cid) for cid in self.histories if cid != 1],
                missed=lambda: self.missed,
                links_after=lambda epoch, serial: _bytes(me.links_after(epoch, serial)),
                take=lambda message: _take(me, message),
                shut_out_by=self._note,
            )
        )

    def _note(self, cids: Collection[int]) -> None:
        self.shut_out = cids

    async def ask(self, member: Member, question: Question, *, seconds: float = 2.0) -> Answer:
        self.asked.append((member.cid, question))
        if member.cid in self.down:
            raise self.why
        history = self.histories[member.cid]
        links: tuple[bytes, ...] = ()
        if isinstance(question, Ask):
            links = _bytes(history.links_after(question.epoch, question.serial))
        elif isinstance(question, Tell):
            try:
                _take(history, Memberships(question.links))
            except GapError as error:
                raise PeerError(error.what) from None  # as it crosses the wire
        membership = history.membership
        head = history.head.position
        return Standing(
            *(membership.epoch, membership.serial, head, STATES[0].digest, 0),
            live=False,
            master=False,
            links=links,
        )

    async def catch_up(self, member: Member) -> AgentEnd:
        raise NotImplementedError

    def chain(self, cid: int) -> tuple[Envelope, ...]:
        return self.histories[cid].chain


def _bytes(links: tuple[Envelope, ...]) -> tuple[bytes, ...]:
    return tuple(link.to_bytes() for link in links)


def _take(history: TrustedHistory, message: ToAgent) -> None:
    assert isinstance(message, Memberships)
    history.accept_memberships([Envelope.from_bytes(link) for link in message.envelopes])


BEFORE = cluster(5)
GENESIS = BEFORE[1]
SECOND = promotion(BEFORE, 2, key(1), key(4))
THIRD = promotion(BEFORE, 3, key(4), key(5), epoch=3)
FOURTH = promotion(
    (TrustedHistory([GENESIS, SECOND]).membership, SECOND), 5, key(2), key(4), epoch=4
)


@in_loop
async def test_who_knows_less_is_told() -> None:
    village = Village([GENESIS, SECOND], [GENESIS], [GENESIS])
    await village.gossip.round()
    assert village.chain(2) == village.chain(3) == (GENESIS, SECOND)
    village.asked.clear()
    await village.gossip.round()
    assert [type(question) for _, question in village.asked] == [Ask, Ask]


@in_loop
async def test_who_ends_the_connection_again_and_again_is_named() -> None:
    village = Village([GENESIS], [GENESIS], [GENESIS])
    village.down, village.why = {2}, NotLetInError("the connection broke")
    for _ in range(ROUNDS):
        assert not village.shut_out
        await village.gossip.round()
    assert village.shut_out == {2}
    assert not village.gossip.is_alone
    village.why = TransportError("connection refused")  # it is stopped
    for _ in range(2 * ROUNDS):
        await village.gossip.round()
    assert not village.shut_out
    village.why = NotLetInError("the connection broke")
    for _ in range(ROUNDS):
        await village.gossip.round()
    village.uninformed = [3]  # it follows again
    await village.gossip.round()
    assert not village.shut_out


@in_loop
async def test_who_reaches_nobody_for_some_rounds_is_alone() -> None:
    village = Village([GENESIS], [GENESIS], [GENESIS])
    village.down = {2, 3}
    for _ in range(ROUNDS + 1):
        assert not village.gossip.is_alone
        await village.gossip.round()
    assert village.gossip.is_alone
    village.down = {2}
    for _ in range(2):
        await village.gossip.round()
    assert not village.gossip.is_alone
    village.down, village.uninformed = {2, 3}, []  # it has a master
    for _ in range(2 * ROUNDS):
        await village.gossip.round()
    assert not village.gossip.is_alone


@in_loop
async def test_who_has_a_master_asks_the_others_now_and_then() -> None:
    """It may follow the older one of two, and the newer cannot reach it; or be the only one who can
    tell a third.
    """
    village = Village([GENESIS, SECOND], [GENESIS, SECOND, FOURTH], [GENESIS])
    village.uninformed = []
    for _ in range(RARELY):
        assert village.asked == []
        await village.gossip.round()
    assert {cid for cid, question in village.asked if type(question) is Ask} == {2, 3}
    assert village.chain(1) == (GENESIS, SECOND, FOURTH)
    assert len(village.chain(3)) >= 2


@in_loop
async def test_of_many_it_asks_so_many_at_once() -> None:
    count = 2 * AT_ONCE
    village = Village(*[[GENESIS]] * (count + 1))
    village.uninformed = []
    for _ in range(2 * RARELY):
        await village.gossip.round()
    assert sorted(cid for cid, _ in village.asked) == list(range(2, count + 2))


@in_loop
async def test_whom_the_master_does_not_reach_the_nodes_ask_in_turn() -> None:
    """Here node 4 is the master, so 1 and 3 are the two that follow."""
    village = Village([GENESIS, SECOND], [GENESIS], [GENESIS, SECOND], [GENESIS, SECOND])
    village.uninformed, village.missed, village.down = [], {2}, {2}
    for _ in range(RARELY - 2):
        await village.gossip.round()
        assert not village.gossip.is_alone
    assert [cid for cid, _ in village.asked] == [2] * (RARELY // 2 - 1)
    village.down = set()
    await village.gossip.round()
    assert village.chain(2) == (GENESIS, SECOND)


@in_loop
async def test_who_knows_more_tells() -> None:
    village = Village([GENESIS], [GENESIS, SECOND])
    await village.gossip.round()
    assert village.chain(1) == (GENESIS, SECOND)


@in_loop
async def test_a_chain_that_does_not_attach_is_asked_for_from_further_back() -> None:
    village = Village([GENESIS, THIRD], [GENESIS, SECOND, FOURTH])
    await village.gossip.round()
    assert village.chain(1) == (GENESIS, SECOND, FOURTH)


@in_loop
async def test_and_told_from_further_back() -> None:
    village = Village([GENESIS, SECOND, FOURTH], [GENESIS, THIRD])
    await village.gossip.round()
    assert village.chain(2) == (GENESIS, SECOND, FOURTH)
    assert [type(question) for _, question in village.asked] == [Ask, Tell, Tell, Tell]


@in_loop
async def test_who_is_away_is_asked_again_and_holds_up_nobody() -> None:
    village = Village([GENESIS, SECOND], [GENESIS], [GENESIS])
    village.down = {2}
    await village.gossip.round()
    assert (village.chain(2), village.chain(3)) == ((GENESIS,), (GENESIS, SECOND))
    village.down.clear()
    await village.gossip.round()
    assert village.chain(2) == (GENESIS, SECOND)


@in_loop
async def test_lies_change_nothing() -> None:
    village = Village([GENESIS], [GENESIS])
    forged = promotion(BEFORE, 2)
    village.histories[2] = Liar([GENESIS], forged)
    await village.gossip.round()
    assert village.chain(1) == (GENESIS,)


class Liar(TrustedHistory):
    """Hands over a link that nobody signed but its own master."""

    def __init__(self, chain: list[Envelope], forged: Envelope) -> None:
        super().__init__(chain)
        self._forged = forged

    def links_after(self, epoch: int, serial: int) -> tuple[Envelope, ...]:
        return (self._forged,)


@in_loop
async def test_in_a_large_cluster_some_are_asked_in_each_round() -> None:
    count = 2 * AT_ONCE + 1
    village = Village(*([GENESIS] for _ in range(count + 1)))
    for _ in range(3):
        await village.gossip.round()
    assert {cid for cid, _ in village.asked} == set(village.uninformed)
    assert len(village.asked) == 3 * AT_ONCE
