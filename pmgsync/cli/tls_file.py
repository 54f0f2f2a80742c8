"""Postfix's TLS key and certificate (`pmg-tls.pem`), for a node that has none.

Self-signed for `*.DOMAIN`, as PMG makes it: RSA with 4096 bits, valid for ten years. Each node
makes its own; it is never synced, and one that an admin put there is never replaced.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pmgsync.errors import CheckFailedError
from pmgsync.model.paths import printable

BITS = 4096
LIFE = timedelta(days=3650)
CLOCKS_DIFFER = timedelta(days=1)
_COMMON_NAME_CHARACTERS = 64  # X.509's own limit


def make_tls_file(domain: str, now_ms: int) -> bytes:
    """A new private key and its certificate, in PEM, one after the other. Takes a second or two.

    `CheckFailedError` for a domain that no certificate can name.
    """
    if not domain.isascii():
        raise CheckFailedError(
            f"no certificate can be made out to {printable(domain)}",
            where="etc/resolv.conf",
            mend="write the search domain in ASCII (xn--...)",
        )
    key = rsa.generate_private_key(public_exponent=65537, key_size=BITS)
    name = f"*.{domain}"
    subject = x509.Name(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, name[-_COMMON_NAME_CHARACTERS:])]
    )
    now = datetime.fromtimestamp(now_ms // 1000, UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now + LIFE)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)
