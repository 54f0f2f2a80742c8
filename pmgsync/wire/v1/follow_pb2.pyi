from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Beat(_message.Message):
    __slots__ = ["envelope"]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    envelope: bytes
    def __init__(self, envelope: _Optional[bytes] = ...) -> None: ...

class Contents(_message.Message):
    __slots__ = ["parts"]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    def __init__(self, parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ...) -> None: ...

class Goodbye(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class Hello(_message.Message):
    __slots__ = ["active", "epoch", "manifest", "promised", "serial", "software"]
    ACTIVE_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_FIELD_NUMBER: _ClassVar[int]
    PROMISED_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    active: Position
    epoch: int
    manifest: bytes
    promised: int
    serial: int
    software: str
    def __init__(self, active: _Optional[_Union[Position, _Mapping]] = ..., manifest: _Optional[bytes] = ..., epoch: _Optional[int] = ..., serial: _Optional[int] = ..., software: _Optional[str] = ..., promised: _Optional[int] = ...) -> None: ...

class Memberships(_message.Message):
    __slots__ = ["envelopes"]
    ENVELOPES_FIELD_NUMBER: _ClassVar[int]
    envelopes: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, envelopes: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Need(_message.Message):
    __slots__ = ["digests"]
    DIGESTS_FIELD_NUMBER: _ClassVar[int]
    digests: bytes
    def __init__(self, digests: _Optional[bytes] = ...) -> None: ...

class Offer(_message.Message):
    __slots__ = ["envelope", "more", "parts"]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    envelope: bytes
    more: bool
    parts: _containers.RepeatedCompositeFieldContainer[Part]
    def __init__(self, envelope: _Optional[bytes] = ..., parts: _Optional[_Iterable[_Union[Part, _Mapping]]] = ..., more: bool = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ["data", "digest", "offset", "total"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    digest: bytes
    offset: int
    total: int
    def __init__(self, digest: _Optional[bytes] = ..., total: _Optional[int] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ["epoch", "version"]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    version: int
    def __init__(self, epoch: _Optional[int] = ..., version: _Optional[int] = ...) -> None: ...

class Pulse(_message.Message):
    __slots__ = ["clock", "epoch", "serial", "want_view"]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    SERIAL_FIELD_NUMBER: _ClassVar[int]
    WANT_VIEW_FIELD_NUMBER: _ClassVar[int]
    clock: int
    epoch: int
    serial: int
    want_view: bool
    def __init__(self, want_view: bool = ..., clock: _Optional[int] = ..., epoch: _Optional[int] = ..., serial: _Optional[int] = ...) -> None: ...

class Resync(_message.Message):
    __slots__ = []
    def __init__(self) -> None: ...

class SignedReport(_message.Message):
    __slots__ = ["envelope"]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    envelope: bytes
    def __init__(self, envelope: _Optional[bytes] = ...) -> None: ...

class SnapshotPart(_message.Message):
    __slots__ = ["data", "envelope", "offset", "total"]
    DATA_FIELD_NUMBER: _ClassVar[int]
    ENVELOPE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    data: bytes
    envelope: bytes
    offset: int
    total: int
    def __init__(self, envelope: _Optional[bytes] = ..., total: _Optional[int] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class ToAgent(_message.Message):
    __slots__ = ["beat", "contents", "memberships", "offer", "snapshot", "view"]
    BEAT_FIELD_NUMBER: _ClassVar[int]
    CONTENTS_FIELD_NUMBER: _ClassVar[int]
    MEMBERSHIPS_FIELD_NUMBER: _ClassVar[int]
    OFFER_FIELD_NUMBER: _ClassVar[int]
    SNAPSHOT_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    beat: Beat
    contents: Contents
    memberships: Memberships
    offer: Offer
    snapshot: SnapshotPart
    view: View
    def __init__(self, offer: _Optional[_Union[Offer, _Mapping]] = ..., snapshot: _Optional[_Union[SnapshotPart, _Mapping]] = ..., contents: _Optional[_Union[Contents, _Mapping]] = ..., memberships: _Optional[_Union[Memberships, _Mapping]] = ..., beat: _Optional[_Union[Beat, _Mapping]] = ..., view: _Optional[_Union[View, _Mapping]] = ...) -> None: ...

class ToMaster(_message.Message):
    __slots__ = ["goodbye", "hello", "need", "pulse", "report", "resync"]
    GOODBYE_FIELD_NUMBER: _ClassVar[int]
    HELLO_FIELD_NUMBER: _ClassVar[int]
    NEED_FIELD_NUMBER: _ClassVar[int]
    PULSE_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    RESYNC_FIELD_NUMBER: _ClassVar[int]
    goodbye: Goodbye
    hello: Hello
    need: Need
    pulse: Pulse
    report: SignedReport
    resync: Resync
    def __init__(self, hello: _Optional[_Union[Hello, _Mapping]] = ..., need: _Optional[_Union[Need, _Mapping]] = ..., resync: _Optional[_Union[Resync, _Mapping]] = ..., report: _Optional[_Union[SignedReport, _Mapping]] = ..., pulse: _Optional[_Union[Pulse, _Mapping]] = ..., goodbye: _Optional[_Union[Goodbye, _Mapping]] = ...) -> None: ...

class View(_message.Message):
    __slots__ = ["document"]
    DOCUMENT_FIELD_NUMBER: _ClassVar[int]
    document: bytes
    def __init__(self, document: _Optional[bytes] = ...) -> None: ...
