from pmgsync.wire.v1 import follow_pb2 as _follow_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Ask(_message.Message):
    __slots__ = ["epoch", "proof", "serial"]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    proof: bool
    serial: int
    def __init__(self, epoch: _Optional[int] = ..., serial: _Optional[int] = ..., proof: bool = ...) -> None: ...

class FromPeer(_message.Message):
    __slots__ = ["refusal", "standing", "vote"]
    REFUSAL_FIELD_NUMBER: _ClassVar[int]
    STANDING_FIELD_NUMBER: _ClassVar[int]
    VOTE_FIELD_NUMBER: _ClassVar[int]
    refusal: Refusal
    standing: Standing
    vote: Vote
    def __init__(self, standing: _Optional[_Union[Standing, _Mapping]] = ..., vote: _Optional[_Union[Vote, _Mapping]] = ..., refusal: _Optional[_Union[Refusal, _Mapping]] = ...) -> None: ...

class Propose(_message.Message):
    __slots__ = ["document", "proof"]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    proof: bytes
    def __init__(self, document: _Optional[bytes] = ..., proof: _Optional[bytes] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ["behind", "why"]
    BEHIND_FIELD_NUMBER: _ClassVar[int]
    WHY_FIELD_NUMBER: _ClassVar[int]
    behind: _follow_pb2.Position
    why: str
    def __init__(self, why: _Optional[str] = ..., behind: _Optional[_Union[_follow_pb2.Position, _Mapping]] = ...) -> None: ...

class Standing(_message.Message):
    __slots__ = ["epoch", "head", "links", "live", "manifest", "master", "promise", "promised", "proof", "serial"]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    LIVE_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    MASTER_FIELD_NUMBER: _ClassVar[int]
    PROMISED_FIELD_NUMBER: _ClassVar[int]
    PROMISE_FIELD_NUMBER: _ClassVar[int]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    head: _follow_pb2.Position
    links: _containers.RepeatedScalarFieldContainer[bytes]
    live: bool
    manifest: bytes
    master: bool
    promise: bytes
    promised: int
    proof: bytes
    serial: int
    def __init__(self, epoch: _Optional[int] = ..., serial: _Optional[int] = ..., head: _Optional[_Union[_follow_pb2.Position, _Mapping]] = ..., manifest: _Optional[bytes] = ..., promised: _Optional[int] = ..., live: bool = ..., master: bool = ..., links: _Optional[_Iterable[bytes]] = ..., promise: _Optional[bytes] = ..., proof: _Optional[bytes] = ...) -> None: ...

class StepDown(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class TakeOver(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Tell(_message.Message):
    __slots__ = ["links"]
    LINKS_FIELD_NUMBER: _ClassVar[int]
    links: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, links: _Optional[_Iterable[bytes]] = ...) -> None: ...

class ToPeer(_message.Message):
    __slots__ = ["ask", "propose", "step_down", "take_over", "tell"]
    ASK_FIELD_NUMBER: _ClassVar[int]
    PROPOSE_FIELD_NUMBER: _ClassVar[int]
    STEP_DOWN_FIELD_NUMBER: _ClassVar[int]
    TAKE_OVER_FIELD_NUMBER: _ClassVar[int]
    TELL_FIELD_NUMBER: _ClassVar[int]
    ask: Ask
    propose: Propose
    step_down: StepDown
    take_over: TakeOver
    tell: Tell
    def __init__(self, ask: _Optional[_Union[Ask, _Mapping]] = ..., tell: _Optional[_Union[Tell, _Mapping]] = ..., propose: _Optional[_Union[Propose, _Mapping]] = ..., step_down: _Optional[_Union[StepDown, _Mapping]] = ..., take_over: _Optional[_Union[TakeOver, _Mapping]] = ...) -> None: ...

class Vote(_message.Message):
    __slots__ = ["key_id", "signature"]
    KEY_ID_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    key_id: str
    signature: bytes
    def __init__(self, key_id: _Optional[str] = ..., signature: _Optional[bytes] = ...) -> None: ...
