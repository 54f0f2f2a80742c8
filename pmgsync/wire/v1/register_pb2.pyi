from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FromRegister(_message.Message):
    __slots__ = ["left", "rekeyed"]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    REKEYED_FIELD_NUMBER: _ClassVar[int]
    left: Left
    rekeyed: Rekeyed
    def __init__(self, left: _Optional[_Union[Left, _Mapping]] = ..., rekeyed: _Optional[_Union[Rekeyed, _Mapping]] = ...) -> None: ...

class Leave(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Left(_message.Message):
    __slots__ = ["notice"]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    notice: bytes
    def __init__(self, notice: _Optional[bytes] = ...) -> None: ...

class Rekey(_message.Message):
    __slots__ = ["proof", "request"]
    PROOF_FIELD_NUMBER: _ClassVar[int]
    REQUEST_FIELD_NUMBER: _ClassVar[int]
    proof: bytes
    request: bytes
    def __init__(self, request: _Optional[bytes] = ..., proof: _Optional[bytes] = ...) -> None: ...

class Rekeyed(_message.Message):
    __slots__ = ["link"]
    LINK_FIELD_NUMBER: _ClassVar[int]
    link: bytes
    def __init__(self, link: _Optional[bytes] = ...) -> None: ...

class ToRegister(_message.Message):
    __slots__ = ["leave", "rekey"]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    REKEY_FIELD_NUMBER: _ClassVar[int]
    leave: Leave
    rekey: Rekey
    def __init__(self, leave: _Optional[_Union[Leave, _Mapping]] = ..., rekey: _Optional[_Union[Rekey, _Mapping]] = ...) -> None: ...
