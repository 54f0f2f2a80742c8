"""Where a master is put together: publishing, feeds, admission and the server. No decisions."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from pmgsync.agent.voting import ballot_in
from pmgsync.cli.assembly import SILENT_BEATS, NodeParts
from pmgsync.cli.master_side import MasterSide
from pmgsync.cli.settings import Settings
from pmgsync.errors import HostError, InvalidError
from pmgsync.master.admission import Admission
from pmgsync.master.attention import register_lines
from pmgsync.master.cluster_file import ClusterFile
from pmgsync.master.door import Door
from pmgsync.master.entrance import Entrance
from pmgsync.master.feed import FeedConfig, Feeds
from pmgsync.master.petitions import Petitions
from pmgsync.master.publish import Publisher
from pmgsync.master.register import Register
from pmgsync.master.role import MasterConfig, MasterParts, MasterRole
from pmgsync.master.roster import Roster
from pmgsync.master.tokens import Tokens
from pmgsync.model.clocks import SET_IT
from pmgsync.model.envelope import Envelope
from pmgsync.model.membership import Member, MemberKeys, Membership
from pmgsync.model.trust import TrustedHistory, genesis_of
from pmgsync.model.validity import entry_objection
from pmgsync.ports import ChangeSource
from pmgsync.survey import Survey
from pmgsync.wire.certificates import check_certificate
from pmgsync.wire.server import Listen, MemberServer

log = logging.getLogger(__name__)


def build_master(
    parts: NodeParts,
    me: Member,
    chain: tuple[Envelope, ...],
    source: ChangeSource,
    settings: Settings,
    trust: Callable[[Membership], None],
) -> MasterSide:
    """Everything that a master has besides its agent. `trust` is told of each new membership."""
    head, _ = parts.store.head()
    promised = ballot_in(parts.store, genesis_of(chain[0]).cluster).epoch
    history = TrustedHistory(chain, head, promised=promised)
    roster = Roster()
    feeds = _feeds(parts, history, roster, settings)
    tokens = _follow(Tokens(parts.store, parts.clock), parts.identity.keys)

    def own_keys() -> MemberKeys:
        return parts.identity.keys

    def announce() -> None:
        # The server first: it cuts removed members at once, with the signed reason.
        trust(history.membership)
        server.show(parts.tls)
        role.membership_changed()
        _follow(tokens, own_keys())

    register = Register(history, parts.keyring, parts.clock, parts.identity.write_chain, announce)
    file = ClusterFile(parts.tree, parts.store, register, parts.clock)
    role = _role(parts, feeds, register, roster, source, settings, history=history, file=file)
    check = partial(_check_entrant, lambda: role.time_by_most)
    entrance = Entrance(register, parts.clock, check, lambda: roster.connected)
    petitions = Petitions(entrance, own_keys, parts.clock)
    server = MemberServer(
        parts.tls,
        lookup=lambda _fingerprint: None,
        join=Door(Admission(tokens, entrance, parts.clock), petitions),
    )
    network = settings.network
    return MasterSide(
        role=role,
        feeds=feeds,
        history=history,
        store=parts.store,
        tokens=tokens,
        register=register,
        petitions=petitions,
        server=server,
        roster=roster,
        keys=own_keys,
        strangers=Listen(me.address, network.join_port, "[network] join_port"),
    )


def _follow(tokens: Tokens, keys: MemberKeys) -> Tokens:
    """The `tokens`, without those that name another certificate than this master shows."""
    try:
        if dead := tokens.follow(keys.fingerprint):
            log.warning("%d join tokens name the certificate of before: they are revoked", dead)
    except HostError as error:
        log.warning("join tokens that name the certificate of before stay in the list: %s", error)
    return tokens


def _check_entrant(now: Callable[[], int], certificate: bytes) -> None:
    """Raise for a certificate of another kind, or one that a wrong clock has made."""
    check_certificate(certificate)
    if why := entry_objection(certificate, now()):
        mend = f"find the clock that is wrong and {SET_IT}; then say `pmgsync join` again"
        raise InvalidError(why, where="join", mend=mend)


def _feeds(parts: NodeParts, history: TrustedHistory, roster: Roster, settings: Settings) -> Feeds:
    config = FeedConfig(silence_s=SILENT_BEATS * settings.network.heartbeat_ms / 1000)
    return Feeds(parts.store, history, parts.keyring, parts.clock, roster, config)


def _role(
    parts: NodeParts,
    feeds: Feeds,
    register: Register,
    roster: Roster,
    source: ChangeSource,
    settings: Settings,
    *,
    history: TrustedHistory,
    file: ClusterFile,
) -> MasterRole:
    survey = Survey(parts.tree, parts.clock, finished=True, before=history.head.manifest)
    return MasterRole(
        MasterParts(
            publisher=Publisher(survey, parts.store, history, parts.keyring, parts.clock),
            feeds=feeds,
            roster=roster,
            history=history,
            source=source,
            clock=parts.clock,
            run_blocking=parts.run_blocking,
            settle_cluster_conf=file.settle,
            more_attention=lambda: register_lines(register, roster),
        ),
        MasterConfig(
            quiet_s=settings.watch.quiet_ms / 1000,
            most_s=settings.watch.settle_max_ms / 1000,
            rescan_s=settings.watch.rescan_s,
            heartbeat_s=settings.network.heartbeat_ms / 1000,
        ),
    )
