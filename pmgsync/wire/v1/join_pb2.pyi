from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Admitted(_message.Message):
    __slots__ = ["proof"]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    proof: bytes
    def __init__(self, proof: _Optional[bytes] = ...) -> None: ...

class Approved(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class ChainPart(_message.Message):
    __slots__ = ["envelopes"]
    ENVELOPES_FIELD_NUMBER: _ClassVar[int]
    envelopes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, envelopes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Challenge(_message.Message):
    __slots__ = ["master_nonce", "proof"]
    MASTER_NONCE_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    master_nonce: bytes
    proof: bytes
    def __init__(self, master_nonce: _Optional[bytes] = ..., proof: _Optional[bytes] = ...) -> None: ...

class Filed(_message.Message):
    __slots__ = ["identity", "seconds"]
    IDENTITY_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    identity: bytes
    seconds: int
    def __init__(self, identity: _Optional[bytes] = ..., seconds: _Optional[int] = ...) -> None: ...

class Opening(_message.Message):
    __slots__ = ["node_nonce", "token_id"]
    NODE_NONCE_FIELD_NUMBER: _ClassVar[int]
    TOKEN_ID_FIELD_NUMBER: _ClassVar[int]
    node_nonce: bytes
    token_id: str
    def __init__(self, token_id: _Optional[str] = ..., node_nonce: _Optional[bytes] = ...) -> None: ...

class Petition(_message.Message):
    __slots__ = ["envelope"]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    envelope: bytes
    def __init__(self, envelope: _Optional[bytes] = ...) -> None: ...

class Request(_message.Message):
    __slots__ = ["envelope", "proof"]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    envelope: bytes
    proof: bytes
    def __init__(self, envelope: _Optional[bytes] = ..., proof: _Optional[bytes] = ...) -> None: ...

class ToJoinMaster(_message.Message):
    __slots__ = ["opening", "petition", "request"]
    OPENING_FIELD_NUMBER: _ClassVar[int]
    PETITION_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    opening: Opening
    petition: Petition
    request: Request
    def __init__(self, opening: _Optional[_Union[Opening, _Mapping]] = ..., request: _Optional[_Union[Request, _Mapping]] = ..., petition: _Optional[_Union[Petition, _Mapping]] = ...) -> None: ...

class ToJoinNode(_message.Message):
    __slots__ = ["admitted", "approved", "chain_part", "challenge", "filed"]
    ADMITTED_FIELD_NUMBER: _ClassVar[int]
    APPROVED_FIELD_NUMBER: _ClassVar[int]
    CHAIN_PART_FIELD_NUMBER: _ClassVar[int]
    CHALLENGE_FIELD_NUMBER: _ClassVar[int]
    FILED_FIELD_NUMBER: _ClassVar[int]
    admitted: Admitted
    approved: Approved
    chain_part: ChainPart
    challenge: Challenge
    filed: Filed
    def __init__(self, challenge: _Optional[_Union[Challenge, _Mapping]] = ..., chain_part: _Optional[_Union[ChainPart, _Mapping]] = ..., admitted: _Optional[_Union[Admitted, _Mapping]] = ..., filed: _Optional[_Union[Filed, _Mapping]] = ..., approved: _Optional[_Union[Approved, _Mapping]] = ...) -> None: ...
