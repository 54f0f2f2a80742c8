"""A candidate at work: ask, catch up, collect signatures. What to do is decided in `campaign`.

Nothing is changed here but the ballots of those who sign, until `run` returns a document that lets
the candidate be master; the caller writes it down and takes up the role.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from pmgsync.agent.campaign import (
    USE_THE_KEY,
    Plan,
    Survey,
    Way,
    believed,
    is_enough,
    plan,
)
from pmgsync.agent.fetching import Fetcher
from pmgsync.agent.hearing import heard_from, is_vote_of, words_of
from pmgsync.agent.link import Link
from pmgsync.agent.peers import Peers
from pmgsync.agent.voting import Voting
from pmgsync.errors import (
    DeadlineError,
    NoMasterError,
    NotLetInError,
    PeerError,
    PmgsyncError,
    TransportError,
)
from pmgsync.model.ballot import (
    Ballot,
    Proposal,
    Refused,
    sign,
    with_signatures,
)
from pmgsync.model.changeset import Position
from pmgsync.model.envelope import Envelope, Signature, seal
from pmgsync.model.keys import OwnKeys, Signer
from pmgsync.model.membership import MEMBERSHIP_TYPE, Base, Member, Membership
from pmgsync.model.messages import Memberships
from pmgsync.model.peers import Answer, Ask, Propose, Question, Refusal, Standing, StepDown, Vote
from pmgsync.model.promotion import (
    promoted,
    require_promotion,
    signed_by,
    voters,
)
from pmgsync.model.trust import TrustedHistory
from pmgsync.ports import Clock, Store

log = logging.getLogger(__name__)

ASK_SECONDS = 1.5
"""How long a member may take to say where it stands."""
STEP_DOWN_SECONDS = 10.0
"""How long a master may take to finish what is in flight."""
SETTLE_SECONDS = 5.0
"""How long this node may take to run what its log has."""
AGAIN = "try again; `pmgsync status` says more"
STOP_IT = "where that goes on, stop `pmgsyncd` there, and promote this node then"
ROUNDS = 5
"""So often the others are asked again, because one of them knew a newer link or version."""


@dataclass(frozen=True, slots=True)
class CandidateParts:
    """What a candidate works with. `link` is the agent's, through which it takes in the links that
    others hand over, and `fetcher` the versions; `own_keys` are all that this node has, `announced`
    is the newest version that the master spoke of.
    """

    me: Callable[[], Member]
    own_keys: OwnKeys
    store: Store
    clock: Clock
    peers: Peers
    voting: Voting
    link: Link
    fetcher: Fetcher
    history: Callable[[], TrustedHistory]
    announced: Callable[[], Position | None]


@dataclass(frozen=True, slots=True)
class Given:
    """What came of asking one member for its signature; `why` empty: it has signed."""

    member: Member
    why: str = ""


@dataclass(frozen=True, slots=True)
class Won:
    """The document that lets this node be master, and how it came about. `instead`: why the master
    did not hand over, where the recovery key has signed although it answered.
    """

    document: Envelope
    plan: Plan
    given: tuple[Given, ...]
    instead: str = ""


class Candidate:
    """One attempt to become master, or to be it in a newer epoch; `recovery` is the cluster's key,
    where the admin has given it; and those that another master has made meanwhile, if any.
    `without`: the admin goes on without versions up to there, where they cannot be had.
    """

    def __init__(
        self,
        parts: CandidateParts,
        recovery: Sequence[Signer] = (),
        without: Position | None = None,
    ) -> None:
        self._parts = parts
        self._recovery = recovery
        self._without = without
        self._refusals: list[Refusal] = []
        self._instead = ""
        self._shut_out = False
        self._way: Way | None = None
        self._given_up: dict[int, str] = {}
        """Who does not hand over what it has shown, by its cid, and why."""

    # --- beforehand ---

    async def survey(self) -> Survey:
        """Ask everybody where they stand, and take in the links that they know more."""
        for _ in range(ROUNDS):
            survey = await self._ask_all()
            if not self._take_links(survey):
                return survey
        raise TransportError("the others know more and more", mend="try again")

    def plan(self, survey: Survey) -> Plan:
        """The way from there."""
        return plan(
            survey,
            recovery=bool(self._recovery),
            handover=not self._instead,
            without=self._without,
        )

    async def _ask_all(self) -> Survey:
        parts, history = self._parts, self._parts.history()
        membership, me = history.known_membership, parts.me()
        if all(member.cid != me.cid for member in membership.members):
            raise NoMasterError(
                f"this node was removed from the cluster by {membership.master_member.label}",
                mend="`pmgsync join` makes it a member again",
            )
        others = [member for member in voters(membership) if member.cid != me.cid]
        question = Ask(membership.epoch, membership.serial, proof=True)
        self._shut_out = False
        said = await _all(*(self._say(member, question, ASK_SECONDS) for member in others))
        survey = Survey(
            membership=membership,
            me=me,
            head=parts.voting.head,
            promised=parts.voting.ballot.epoch,
            heard=tuple(
                heard_from(member, answer, why, history, parts.voting.head)
                for member, (answer, why) in zip(others, said, strict=True)
            ),
            announced=parts.announced(),
            chain_bytes=_with_one_more(history.known_chain),
            shut_out=self._shut_out,
        )
        for heard in survey.answered:
            if why := self._given_up.get(heard.member.cid):
                survey = survey.without(heard.member, why)
        return survey

    def _take_links(self, survey: Survey) -> bool:
        """Take in what is newer; whether anything was. `NoMasterError` if an epoch has begun."""
        history = self._parts.history()
        before, known = history.membership, history.known_chain[-1]
        for heard in survey.answered:
            if heard.standing is not None and heard.standing.links:
                self._take(Memberships(heard.standing.links), heard.member)
        now = history.membership
        if now.epoch != before.epoch:
            raise NoMasterError(
                f"epoch {now.epoch} has begun meanwhile, with {now.master_member.label} as master",
                mend="this node follows it by itself; see `pmgsync status`",
            )
        return history.known_chain[-1] != known

    def _take(self, message: Memberships, who: Member) -> None:
        try:
            self._parts.link.on_message(message)
        except PmgsyncError as error:
            log.warning("%s hands over a membership that is none: %s", who.label, error)

    # --- the attempt ---

    async def run(self, only: Way | None = None) -> Won:
        """Try it, on the way that there is (if that is `only`, where it is given). Where a handover
        comes to nothing, the recovery key decides, if it is at hand.

        `NoMasterError` with every reason if it cannot be; then nothing is lost but time.
        """
        try:
            return await self._run(only)
        except PmgsyncError as error:
            if not self._recovery or self._way is not Way.HANDOVER or only is Way.HANDOVER:
                raise
            self._instead = str(error.what)
            log.warning("the recovery key decides, as a handover came to nothing: %s", error.what)
        return replace(await self._run(only), instead=self._instead)

    async def _run(self, only: Way | None) -> Won:
        failed: NoMasterError | None = None
        for _ in range(ROUNDS):
            self._way = None
            survey = await self.survey()
            made = self._feasible(survey, only)
            if failed is not None and made.source is None:
                raise failed  # who has refused has nothing newer that it shows and hands over
            if made.way is not Way.HANDOVER:
                survey = await self._fetch_all(survey)
                made = self._feasible(survey, only)
            won = await self._try(survey, made)
            if isinstance(won, Won):
                return won
            failed = won
        raise TransportError("the others have newer versions again and again", mend="try again")

    def _feasible(self, survey: Survey, only: Way | None) -> Plan:
        """The plan; `NoMasterError` if it must fail."""
        made = self.plan(survey)
        self._way = made.way
        if only is not None and made.way is not only:
            raise NoMasterError(
                f"{survey.membership.master_member.label} does not answer as the master",
                mend="`pmgsync promote` on the node that is to be master asks the others",
            )
        if made.hindrance:
            raise _refused(made.hindrance, made.mend)
        return made

    async def _fetch_all(self, survey: Survey) -> Survey:
        """Fetch what is to be had; `survey` as it is then, also where somebody has not handed over
        what it has shown: that one is named, and costs no more than one try.
        """
        while (made := self.plan(survey)).source is not None:
            source = made.source
            try:
                await self._fetch(source, made.until)
            except (TransportError, PeerError) as error:  # (what is this node's own goes on)
                log.warning("%s does not hand over %s: %s", source.label, made.until, error)
                self._given_up[source.cid] = error.what
                survey = survey.without(source, error.what)
            else:
                survey = replace(survey, head=self._parts.voting.head)
        return survey

    async def _fetch(self, source: Member, position: Position) -> None:
        if promised := self._parts.history().promised:
            raise _refused(
                f"it takes in nothing before epoch {promised}, for which it has signed", AGAIN
            )
        await self._parts.fetcher.fetch(source, position)

    async def _try(self, survey: Survey, made: Plan) -> Won | NoMasterError:
        """One round; an error if too few have signed, but somebody said that it has a newer version
        than this node.
        """
        if made.way is Way.HANDOVER:
            await self._until_master_stops(survey)
        with suppress(DeadlineError):  # `_document` says what is the matter
            await self._parts.fetcher.until(self._parts.voting.head.position, SETTLE_SECONDS)
        document, proof = self._document(survey, made)
        self._require_legal(document)
        own = self._own_signature(document, proof, made)
        document = with_signatures(document, *own)
        document, given = await self._collect(survey, made, document, proof)
        if made.way is Way.MAJORITY:
            self._parts.voting.asked_for = document
        if is_enough(made.way, survey.membership, document):
            return Won(document, made, given)
        lines = "; ".join(f"{one.member.label}: {one.why}" for one in given if one.why)
        what = f"{made.needed} members must sign, and too few did: {lines}"
        if any(refusal.behind for refusal in self._refusals):
            return _refused(what, "`pmgsync promote` on one that has the newest version")
        raise _refused(what, USE_THE_KEY)

    async def _until_master_stops(self, survey: Survey) -> None:
        master = survey.membership.master_member
        answer, why = await self._say(master, StepDown(), STEP_DOWN_SECONDS)
        if not isinstance(answer, Standing):
            said = words_of(answer, why)
            mend = "" if isinstance(answer, Refusal) else f"{AGAIN}; {STOP_IT}"
            raise _refused(f"{master.label} does not hand over: {said}", mend)
        try:
            await self._reach(answer.head, master)
        except (TransportError, PeerError) as error:
            raise _refused(
                f"{master.label} does not hand over version {answer.head}: {error.what}",
                STOP_IT,
            ) from None

    async def _reach(self, position: Position, master: Member) -> None:
        """Wait for the stream to bring it; ask for it if it does not."""
        try:
            await self._parts.fetcher.until(position, 1.0)
        except DeadlineError:
            await self._fetch(master, position)

    def _document(self, survey: Survey, made: Plan) -> tuple[Envelope, Envelope | None]:
        """The next membership, signed by nobody but this node; and the envelope of its base."""
        parts, history = self._parts, self._parts.history()
        head, proof = parts.store.head()
        if parts.store.pending() is not None or parts.store.active() != head:
            raise _refused(f"it is not done with version {head.position}", AGAIN)
        membership = promoted(
            survey.membership,
            history.known_chain[-1],
            survey.me.cid,
            epoch=made.epoch,
            base=Base(head.position, head.manifest.digest),
            now=parts.clock.now(),
        )
        if made.way is Way.MAJORITY and (again := self._again(survey, membership)):
            return again, proof
        keys = {key.public_key: key for key in parts.own_keys()}
        signer = keys.get(membership.master_key)
        if signer is None:
            raise _refused(
                "it has not the key that the membership names for it",
                "`pmgsync leave`, and join again",
            )
        return seal(MEMBERSHIP_TYPE, membership.to_bytes(), signer), proof

    def _again(self, survey: Survey, wanted: Membership) -> Envelope | None:
        """The document of the last attempt, if it says the same and all who have signed for its
        epoch have signed it: with that, trying again uses up no epoch.
        """
        voting = self._parts.voting
        last = voting.asked_for
        if last is None or last.digest != voting.ballot.document:
            return None
        offered = Membership.from_bytes(last.payload)
        if offered != replace(wanted, epoch=offered.epoch, created=offered.created):
            return None
        signed = {member.cid for member in signed_by(survey.membership, last)}
        free = (
            heard.member.cid in signed or believed(heard, survey) < offered.epoch
            for heard in survey.answered
        )
        return last if all(free) else None

    def _require_legal(self, document: Envelope) -> None:
        """What no node would take in must not cost this node a promise."""
        history = self._parts.history()
        try:
            known = history.known_membership, history.known_chain
            require_promotion(known[0], known[1][-1], self._by_key(document))
        except PeerError as error:
            raise _refused(str(error), "" if self._recovery else USE_THE_KEY) from None

    def _by_key(self, document: Envelope) -> Envelope:
        return with_signatures(document, *(sign(document, key) for key in self._recovery))

    def _own_signature(
        self, document: Envelope, proof: Envelope | None, made: Plan
    ) -> tuple[Signature, ...]:
        """This node's own vote, written down; and the recovery key's signature on that way.

        On the way of a handover it is the master who decides, and this node votes after it.
        """
        voting = self._parts.voting
        if made.way is Way.HANDOVER:
            return ()
        if made.way is Way.RECOVERY:
            ballot = Ballot(made.epoch, document.digest, self._parts.me().cid)
            own = _own(voting.cast(document, ballot))
            return own, *(sign(document, key) for key in self._recovery)
        return (_own(voting.vote(Proposal(document, proof))),)

    async def _collect(
        self, survey: Survey, made: Plan, document: Envelope, proof: Envelope | None
    ) -> tuple[Envelope, tuple[Given, ...]]:
        """Ask for the signatures: the master's first where it hands over, then all others'."""
        self._refusals.clear()
        given: list[Given] = []
        ask = list(made.ask)
        if made.way is Way.HANDOVER:
            master = survey.membership.master_member
            document = await self._ask_for(document, proof, [master], given)
            if given[-1].why:
                raise _refused(
                    f"{master.label} does not hand over: {given[-1].why}", f"{AGAIN}; {STOP_IT}"
                )
            _own(self._parts.voting.vote(Proposal(document, proof)))
            ask.remove(master)
        document = await self._ask_for(document, proof, ask, given)
        silent = (Given(heard.member, heard.why) for heard in survey.heard if not heard.standing)
        doubts = {heard.member.cid: heard.doubt for heard in survey.heard if heard.doubt}
        told = (one if not one.why else _in_doubt(one, doubts) for one in given)
        return document, (*told, *silent)

    async def _ask_for(
        self, document: Envelope, proof: Envelope | None, members: list[Member], given: list[Given]
    ) -> Envelope:
        """`document` with the signatures of those of `members` that sign; `given` says which."""
        question = Propose(document.to_bytes(), proof.to_bytes() if proof else b"")
        said = await _all(*(self._say(member, question, ASK_SECONDS) for member in members))
        for member, (answer, why) in zip(members, said, strict=True):
            if isinstance(answer, Vote) and is_vote_of(member, answer, document):
                document = with_signatures(document, Signature(answer.key_id, answer.signature))
                given.append(Given(member))
                continue
            if isinstance(answer, Refusal):
                self._refusals.append(answer)
            given.append(Given(member, words_of(answer, why)))
        return document

    async def _say(
        self, member: Member, question: Question, seconds: float
    ) -> tuple[Answer | None, str]:
        try:
            return await self._parts.peers.ask(member, question, seconds=seconds), ""
        except PmgsyncError as error:
            self._shut_out |= isinstance(error, NotLetInError)
            return None, error.what


async def _all(
    *asked: Awaitable[tuple[Answer | None, str]],
) -> list[tuple[Answer | None, str]]:
    return list(await asyncio.gather(*asked))


def _with_one_more(chain: Sequence[Envelope]) -> int:
    """How many bytes the chain has with another link as long as the newest."""
    return sum(len(link.to_bytes()) for link in (*chain, chain[-1]))


def _in_doubt(given: Given, doubts: Mapping[int, str]) -> Given:
    """That its version does not count says more than that this node is behind it."""
    return replace(given, why=doubts.get(given.member.cid, given.why))


def _own(given: Signature | Refused) -> Signature:
    if isinstance(given, Refused):
        raise _refused(f"it {given.why}", AGAIN)
    return given


def _refused(why: str, mend: str) -> NoMasterError:
    return NoMasterError(f"this node cannot be the master: {why}", mend=mend)
