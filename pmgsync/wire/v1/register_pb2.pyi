from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FromRegister(_message.Message):
    __slots__ = ["left"]
    LEFT_FIELD_NUMBER: _ClassVar[int]
    left: Left
    def __init__(self, left: _Optional[_Union[Left, _Mapping]] = ...) -> None: ...

class Leave(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Left(_message.Message):
    __slots__ = ["notice"]
    NOTICE_FIELD_NUMBER: _ClassVar[int]
    notice: bytes
    def __init__(self, notice: _Optional[bytes] = ...) -> None: ...

class ToRegister(_message.Message):
    __slots__ = ["leave"]
    LEAVE_FIELD_NUMBER: _ClassVar[int]
    leave: Leave
    def __init__(self, leave: _Optional[_Union[Leave, _Mapping]] = ...) -> None: ...
