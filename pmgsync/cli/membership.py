"""PURE: the membership chain as the document of `GET /v1/members`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pmgsync.cli.member_answers import FormerLine, LinkLine, MemberLine, MembersAnswer
from pmgsync.model.envelope import Envelope
from pmgsync.model.fingerprint import fingerprint
from pmgsync.model.lineage import Lineage, Origin
from pmgsync.model.membership import Member, Membership


def members_document(chain: Sequence[Envelope]) -> dict[str, Any]:
    """What the chain says: the newest membership, and where each of its members comes from."""
    membership, lineage = Membership.from_bytes(chain[-1].payload), Lineage(chain)
    assert lineage.newest is not None  # noqa: S101 - a chain has a link
    return MembersAnswer(
        cluster=membership.cluster,
        link=_link(lineage.newest),
        recovery=membership.recovery.key_id,
        members=tuple(
            _line(member, membership, lineage.origins[member.cid]) for member in membership.members
        ),
        former=tuple(FormerLine(former.cid, former.name) for former in membership.former),
    ).to_json()


def _line(member: Member, membership: Membership, origin: Origin) -> MemberLine:
    keys = member.keys
    return MemberLine(
        cid=member.cid,
        name=member.name,
        address=member.address,
        port=member.port,
        role="master" if member.cid == membership.master else "node",
        since=_link(origin),
        fingerprint=fingerprint(keys) if keys else None,
        identity=keys.identity.key_id if keys else None,
        certificate=str(keys.fingerprint) if keys else None,
    )


def _link(origin: Origin) -> LinkLine:
    return LinkLine(origin.epoch, origin.serial, origin.created, origin.signers)
