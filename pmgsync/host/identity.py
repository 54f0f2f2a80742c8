"""Who this node is: its keys, its certificate and the membership chain, in files for root alone.
Keys beside those that count are in `keyring.py`.

`identity.key` is the Ed25519 key (32 raw bytes), `tls.key` and `tls.crt` are PEM, `chain.json` is a
JSON list of envelopes, genesis first. Each file is made complete beside its name, brought to disk
and renamed, so it is there whole or not at all, with its final mode from its first moment.
"""

from __future__ import annotations

import json
import os
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from pmgsync.errors import HostError, MalformedError, StaleError, StoreDamagedError
from pmgsync.host.faults import host_error
from pmgsync.model.envelope import Envelope
from pmgsync.model.keys import KEY_BYTES, SigningKey
from pmgsync.model.membership import MemberKeys, Membership
from pmgsync.model.scope import STATE_FOLDER

SPARE_KEYS = "spare-keys.json"
_MOST_BYTES = 64 << 20

MakeCertificate = Callable[[], tuple[bytes, bytes]]
"""Makes a TLS key and its certificate, both PEM."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The keys of this node, and the files they are kept in."""

    folder: Path
    key: SigningKey
    tls_key: bytes = field(repr=False)
    tls_certificate: bytes

    @classmethod
    def load_or_create(cls, root: Path, make_certificate: MakeCertificate) -> Identity:
        """The identity of the node at `root`; what is missing of it is made.

        `StoreDamagedError` for a key that is none: making another one would make this another node.
        """
        folder = root / STATE_FOLDER
        _make_folder(folder)
        raw = read_file(folder / "identity.key")
        if raw is None:
            raw = SigningKey.generate().to_raw()
            replace_file(folder / "identity.key", raw)
        tls_key, certificate = read_file(folder / "tls.key"), read_file(folder / "tls.crt")
        if tls_key is None or certificate is None:
            # A crash between the two files must not leave a key beside the certificate of another.
            remove_file(folder / "tls.crt")
            tls_key, certificate = make_certificate()
            replace_file(folder / "tls.key", tls_key)
            replace_file(folder / "tls.crt", certificate)
        _require_pem(folder / "tls.key", tls_key, b"PRIVATE KEY")
        _require_pem(folder / "tls.crt", certificate, b"CERTIFICATE")
        return cls(folder, key_in(folder / "identity.key", raw), tls_key, certificate)

    @property
    def keys(self) -> MemberKeys:
        """What the others recognise it by."""
        try:
            text = self.tls_certificate.decode("ascii")
            return MemberKeys(self.key.public_key, ssl.PEM_cert_to_DER_cert(text))
        except ValueError:
            raise _damaged(self.folder / "tls.crt", "holds no certificate in PEM") from None

    def renewed(self, make_certificate: MakeCertificate) -> Identity:
        """Another identity with new keys, for the same folder; nothing is written yet."""
        tls_key, certificate = make_certificate()
        return Identity(self.folder, SigningKey.generate(), tls_key, certificate)

    def replace_files(self) -> None:
        """Put this identity in the place of the one in the folder, which is gone then.

        The chain goes first: it names the old keys, and without it this node belongs to no cluster,
        whatever a crash leaves of either identity.
        """
        remove_file(self.folder / "chain.json")
        sync_folder(self.folder)
        remove_file(self.folder / SPARE_KEYS)
        remove_file(self.folder / "tls.crt")
        self.write_keys()

    def write_keys(self) -> None:
        """Put these keys in the place of those in the folder, file by file; the chain stays."""
        replace_file(self.folder / "identity.key", self.key.to_raw())
        replace_file(self.folder / "tls.key", self.tls_key)
        replace_file(self.folder / "tls.crt", self.tls_certificate)

    def read_chain(self) -> list[Envelope]:
        """The membership chain, oldest first; empty where this node belongs to no cluster yet."""
        return read_chain_in(self.folder)

    def write_chain(self, envelopes: Sequence[Envelope]) -> None:
        """Replace the chain; durable when this returns. `StaleError` if it is of an older epoch
        than the one that is there.
        """
        with suppress(StoreDamagedError):  # then any chain is better
            for newest in self.read_chain()[-1:]:
                require_newer(newest, envelopes[-1])
        rows = [envelope.to_bytes().decode("ascii") for envelope in envelopes]
        replace_file(self.folder / "chain.json", json.dumps(rows, indent=0).encode("ascii"))


def require_newer(known: Envelope, link: Envelope) -> None:
    """`StaleError` if `link`, of the same cluster, is of an older epoch than `known`."""
    before, after = (Membership.from_bytes(one.payload) for one in (known, link))
    if before.cluster == after.cluster and after.epoch < before.epoch:
        raise StaleError(
            f"the chain of epoch {after.epoch} would overwrite that of epoch {before.epoch}"
        )


def read_chain_in(folder: Path) -> list[Envelope]:
    path = folder / "chain.json"
    data = read_file(path)
    if data is None:
        return []
    try:
        rows = json.loads(data)
        if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
            raise ValueError("not a list of envelopes")
        return [Envelope.from_bytes(row.encode("ascii")) for row in rows]
    except (ValueError, RecursionError, MalformedError) as error:
        raise _damaged(path, f"is no membership chain: {error}") from None


def key_in(path: Path, raw: bytes) -> SigningKey:
    if len(raw) != KEY_BYTES:
        raise _damaged(path, f"has {len(raw)} bytes, not {KEY_BYTES}")
    return SigningKey(raw)


def _require_pem(path: Path, data: bytes, label: bytes) -> None:
    if not (data.lstrip().startswith(b"-----BEGIN ") and label in data.split(b"\n", 1)[0]):
        raise _damaged(path, f"holds no PEM {label.decode().lower()}")


def _damaged(path: Path, what: str) -> StoreDamagedError:
    return StoreDamagedError(
        what,
        where=str(path),
        mend=f"bring it back from a backup; or move {path.parent} away and join the cluster again",
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise host_error(error, str(folder), "make the folder") from None


def read_file(path: Path) -> bytes | None:
    """The content of `path`, None if there is no such file."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise host_error(error, str(path), "read it") from None
    try:
        with open(handle, "rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise host_error(error, str(path), "read it") from None
    if len(data) > _MOST_BYTES:
        raise HostError(
            f"is larger than {_MOST_BYTES} bytes", where=str(path), mend="see what it is"
        )
    return data


def remove_file(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise host_error(error, str(path), "remove it") from None


def sync_folder(folder: Path) -> None:
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError as error:
        raise host_error(error, str(folder), "write it") from None


def replace_file(path: Path, content: bytes) -> None:
    """Put `content` at `path`, whole and durable."""
    beside = path.with_name(f".{path.name}.new")
    try:
        with suppress(FileNotFoundError):
            beside.unlink()
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(handle, "wb") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise host_error(error, str(path), "write it") from None
