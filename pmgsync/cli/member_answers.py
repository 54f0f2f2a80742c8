"""PURE: what the local API says of members, tokens and requests, for both of its ends.

The rules are those of `answers.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pmgsync.cli.answers import each, texts
from pmgsync.model.canonical import Fields


@dataclass(frozen=True, slots=True)
class TokenLine:
    """One join token; never its secret. `expires` in milliseconds since 1970."""

    token: str
    state: str
    expires: int
    wrong_proofs: int

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> TokenLine:
        """The token in `value`."""
        fields = Fields(value, "a token")
        return cls(
            token=fields.take("token", str),
            state=fields.take("state", str),
            expires=fields.count("expires"),
            wrong_proofs=fields.count("wrong_proofs"),
        )


@dataclass(frozen=True, slots=True)
class LinkLine:
    """A link of the membership chain; `created` in milliseconds since 1970, None: not said."""

    epoch: int
    serial: int
    created: int | None
    signers: tuple[str, ...]

    @classmethod
    def from_json(cls, value: object) -> LinkLine:
        """The link in `value`."""
        fields = Fields(value, "a link")
        return cls(
            epoch=fields.count("epoch"),
            serial=fields.count("serial"),
            created=fields.optional_count("created"),
            signers=texts(fields, "signers"),
        )


@dataclass(frozen=True, slots=True)
class MemberLine:
    """One member. `since` is the link that gave it the keys it has; without keys: not joined.

    `fingerprint` is what people compare; `identity` is the key's id, `certificate` the digest of
    the TLS certificate, both SHA-256 in hex.
    """

    cid: int
    name: str
    address: str
    port: int
    role: str
    since: LinkLine
    fingerprint: str | None
    identity: str | None
    certificate: str | None

    @classmethod
    def from_json(cls, value: object) -> MemberLine:
        """The member in `value`."""
        fields = Fields(value, "a member")
        return cls(
            cid=fields.count("cid"),
            name=fields.take("name", str),
            address=fields.take("address", str),
            port=fields.count("port"),
            role=fields.take("role", str),
            since=LinkLine.from_json(fields.take("since", dict)),
            fingerprint=fields.optional("fingerprint", str),
            identity=fields.optional("identity", str),
            certificate=fields.optional("certificate", str),
        )


@dataclass(frozen=True, slots=True)
class FormerLine:
    """One who left; its number waits for its name."""

    cid: int
    name: str

    @classmethod
    def from_json(cls, value: object) -> FormerLine:
        """The former member in `value`."""
        fields = Fields(value, "a former member")
        return cls(fields.count("cid"), fields.take("name", str))


@dataclass(frozen=True, slots=True)
class MembersAnswer:
    """GET /v1/members: the newest `link` and what it says. `recovery` is the recovery key's id."""

    cluster: str
    link: LinkLine
    recovery: str
    members: tuple[MemberLine, ...]
    former: tuple[FormerLine, ...]

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> MembersAnswer:
        """The answer in `value`."""
        fields = Fields(value, "the members")
        return cls(
            cluster=fields.take("cluster", str),
            link=LinkLine.from_json(fields.take("link", dict)),
            recovery=fields.take("recovery", str),
            members=each(fields, "members", MemberLine.from_json),
            former=each(fields, "former", FormerLine.from_json),
        )


@dataclass(frozen=True, slots=True)
class RequestLine:
    """One who waits to be let in, from the address `peer`; `address` is what it says itself."""

    name: str
    address: str
    peer: str
    waits_ms: int
    fingerprint: str

    @classmethod
    def from_json(cls, value: object) -> RequestLine:
        """The request in `value`."""
        fields = Fields(value, "a request")
        return cls(
            name=fields.take("name", str),
            address=fields.take("address", str),
            peer=fields.take("peer", str),
            waits_ms=fields.count("waits_ms"),
            fingerprint=fields.take("fingerprint", str),
        )


@dataclass(frozen=True, slots=True)
class RequestsAnswer:
    """GET /v1/requests; `fingerprint` is that of the master."""

    master: str
    fingerprint: str
    requests: tuple[RequestLine, ...]

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> RequestsAnswer:
        """The answer in `value`."""
        fields = Fields(value, "the requests")
        return cls(
            master=fields.take("master", str),
            fingerprint=fields.take("fingerprint", str),
            requests=each(fields, "requests", RequestLine.from_json),
        )


@dataclass(frozen=True, slots=True)
class FiledAnswer:
    """POST /v1/join/request: what was filed, and both fingerprints; it waits so many `seconds`."""

    name: str
    master: str
    fingerprint: str
    master_fingerprint: str
    seconds: int

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> FiledAnswer:
        """The answer in `value`."""
        fields = Fields(value, "the request")
        return cls(
            name=fields.take("name", str),
            master=fields.take("master", str),
            fingerprint=fields.take("fingerprint", str),
            master_fingerprint=fields.take("master_fingerprint", str),
            seconds=fields.count("seconds"),
        )
