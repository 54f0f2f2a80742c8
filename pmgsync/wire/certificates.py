"""TLS keys and certificates of the nodes: the one recipe, and the check that a certificate follows
it.

Every node makes its own certificate; nobody issues any. The recipe is what both TLS libraries under
grpc (OpenSSL in Debian's package, BoringSSL in PyPI's) take as a pinned root, and what neither
takes as an issuer of others:

* ECDSA P-256 with SHA-256: Ed25519 certificates fail on BoringSSL.
* The common name is unique for each key, `NODE-XXXX` with 32 hex digits of the key's hash: of two
  pinned roots with the same name, BoringSSL sees only the first.
* One fixed name in the SAN, for which every client asks: addresses may change, and who is at the
  other end is told by the exact bytes, not by a name.
* CA:FALSE, critical, and KeyUsage digitalSignature, critical: without the latter BoringSSL lets the
  holder of a pinned certificate issue certificates for any name.
* Valid from ten years ago (a clock may be that wrong) for ten years to come: an expired certificate
  is refused even where it is pinned, so expiry would be an outage.

Who takes a new certificate into use signs something with its key (`prove`), besides the certificate
itself: so nobody brings in one that he has only seen.

cryptography.x509 costs 10 MB of memory and is imported inside the functions: only making and
checking a certificate need it, and a daemon that is up does neither."""

import binascii
import hashlib
import ssl
import warnings
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pmgsync.errors import BadSignatureError, MalformedError
from pmgsync.model.naming import check_node_name
from pmgsync.model.validity import CLOCKS_DIFFER, LIFE

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

SERVER_NAME = "node.pmgsync.internal"
"""The name in every certificate, and the one that clients ask for."""
MAX_CERTIFICATE_BYTES = 1024
"""A certificate of the recipe has about 450."""
_COMMON_NAME_CHARACTERS = 64  # X.509's own limit
_KEY_HASH_DIGITS = 32
"""So many that nobody finds a key with the name of another's: 128 bits."""
_PROVEN = b"pmgsync tls key\0"
"""In front of what is signed with a TLS key, so that it is nothing that TLS signs."""
_BIT_STRING = 3  # ASN.1's tag; the zero after the length says that all bits count


def make_certificate(name: str, now_ms: int) -> tuple[bytes, bytes]:
    """A new private key (not encrypted) and its certificate for the node `name`, both in PEM."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    check_node_name(name)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, _common_name(name, key.public_key()))]
    )
    now = datetime.fromtimestamp(now_ms // 1000, tz=UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now + LIFE)
    )
    for extension in _extensions():
        builder = builder.add_extension(extension, critical=_is_critical(extension))
    certificate = builder.sign(key, hashes.SHA256())
    encoding = serialization.Encoding.PEM
    return (
        key.private_bytes(
            encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        certificate.public_bytes(encoding),
    )


def to_der(pem: bytes | str) -> bytes:
    """The bytes that are pinned; `MalformedError` if `pem` is not one certificate in PEM."""
    try:
        text = pem.decode("ascii") if isinstance(pem, bytes) else pem
        return ssl.PEM_cert_to_DER_cert(text)
    except (ValueError, binascii.Error):
        raise MalformedError("is not a certificate in PEM") from None


def to_pem(der: bytes) -> bytes:
    """The form that TLS libraries read."""
    return ssl.DER_cert_to_PEM_cert(der).encode("ascii")


def check_certificate(der: bytes) -> None:
    """Raise `MalformedError` unless `der` is a certificate of the recipe, signed by its own key.

    A pinned certificate becomes a trust anchor of every node, so nothing but the recipe is let in.
    """
    if len(der) > MAX_CERTIFICATE_BYTES:
        raise MalformedError(f"a certificate of {len(der)} bytes, {MAX_CERTIFICATE_BYTES} at most")
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of what the library only warns about, nothing is made
            objection = _objection(x509.load_der_x509_certificate(der), der)
    except (
        Warning,
        ValueError,
        TypeError,
        LookupError,  # cryptography 38, for a string type that it does not know
        InvalidSignature,
        UnsupportedAlgorithm,
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
    ) as error:
        objection = f"cannot be read ({type(error).__name__})"
    if objection:
        raise MalformedError(
            f"the certificate is not one that pmgsync makes: {objection}",
            mend="remove the node's identity and join again",
        )


def prove(tls_key: bytes, message: bytes) -> bytes:
    """What shows that somebody has the private key `tls_key` (PEM) and means `message`."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = serialization.load_pem_private_key(tls_key, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise MalformedError("the TLS key is not ECDSA")
    return key.sign(_PROVEN + message, ec.ECDSA(hashes.SHA256()))


def check_proven(der: bytes, proof: bytes, message: bytes) -> None:
    """Raise as `check_certificate`, and `BadSignatureError` unless `proof` is what `prove` makes
    of `message` with the key of the certificate `der`.
    """
    check_certificate(der)
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = x509.load_der_x509_certificate(der).public_key()
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):  # it is: the recipe knows no other
            key.verify(proof, _PROVEN + message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise BadSignatureError("does not have the key of that certificate") from None


def _objection(certificate: "x509.Certificate", der: bytes) -> str:
    """What is wrong with it; empty if nothing is."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        return "its key is not ECDSA P-256"
    if not _is_named_after(certificate, key):
        return "its names are not those of its key"
    found = {(extension.critical, extension.value) for extension in certificate.extensions}
    if found != {(_is_critical(value), value) for value in _extensions()}:
        return "its extensions are others"
    if _life(certificate) != CLOCKS_DIFFER + LIFE:
        return "its life has another length"
    if not isinstance(certificate.signature_hash_algorithm, hashes.SHA256):
        return "it is not signed with SHA-256"
    return _signature_objection(certificate, key, der)


def _signature_objection(
    certificate: "x509.Certificate", key: "EllipticCurvePublicKey", der: bytes
) -> str:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    signature = certificate.signature
    if not der.endswith(bytes([_BIT_STRING, len(signature) + 1, 0]) + signature):
        return "its signature is written in another form"
    key.verify(signature, certificate.tbs_certificate_bytes, ec.ECDSA(hashes.SHA256()))
    return ""


def _life(certificate: "x509.Certificate") -> timedelta:
    if hasattr(certificate, "not_valid_after_utc"):  # cryptography 42 and later
        return certificate.not_valid_after_utc - certificate.not_valid_before_utc
    return certificate.not_valid_after - certificate.not_valid_before


def _extensions() -> "tuple[x509.ExtensionType, ...]":
    from cryptography import x509

    return (
        x509.BasicConstraints(ca=False, path_length=None),
        x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        ),
        x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)]),
    )


def _is_critical(extension: "x509.ExtensionType") -> bool:
    from cryptography import x509

    return not isinstance(extension, x509.SubjectAlternativeName)


def _is_named_after(certificate: "x509.Certificate", key: "EllipticCurvePublicKey") -> bool:
    from cryptography import x509

    attributes = list(certificate.subject)
    kinds = [attribute.oid for attribute in attributes]
    if certificate.issuer != certificate.subject or kinds != [x509.NameOID.COMMON_NAME]:
        return False
    name, _, digits = str(attributes[0].value).rpartition("-")
    return bool(name) and digits == _key_hash(key)


def _common_name(name: str, key: "EllipticCurvePublicKey") -> str:
    room = _COMMON_NAME_CHARACTERS - _KEY_HASH_DIGITS - 1
    return f"{name[:room]}-{_key_hash(key)}"


def _key_hash(key: "EllipticCurvePublicKey") -> str:
    from cryptography.hazmat.primitives import serialization

    info = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(info).hexdigest()[:_KEY_HASH_DIGITS]
