"""The certificate recipe, and that nothing but the recipe passes."""

import hashlib
import subprocess
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from pmgsync.errors import BadSignatureError, MalformedError
from pmgsync.model.validity import CLOCKS_DIFFER, LIFE, ends_at, renewal_objection
from pmgsync.wire.certificates import (
    SERVER_NAME,
    check_certificate,
    check_proven,
    make_certificate,
    prove,
    to_der,
    to_pem,
)

NOW_MS = 1_800_000_000_000
NOW = datetime.fromtimestamp(NOW_MS // 1000, UTC)
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@pytest.fixture(scope="module")
def good() -> bytes:
    return to_der(make_certificate("node1", NOW_MS)[1])


def test_a_certificate_follows_the_recipe(good: bytes) -> None:
    certificate = x509.load_der_x509_certificate(good)
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    found = {type(e.value): (e.critical, e.value) for e in certificate.extensions}
    assert found[x509.BasicConstraints] == (True, x509.BasicConstraints(False, None))
    critical, usage = found[x509.KeyUsage]
    assert critical
    assert isinstance(usage, x509.KeyUsage)
    assert usage.digital_signature
    assert not usage.key_cert_sign
    names = x509.SubjectAlternativeName([x509.DNSName(SERVER_NAME)])
    assert found[x509.SubjectAlternativeName] == (False, names)
    assert len(found) == 3
    check_certificate(good)


def test_the_common_name_is_unique_for_each_key() -> None:
    names = set()
    for _ in range(3):
        certificate = x509.load_pem_x509_certificate(make_certificate("node1", NOW_MS)[1])
        name = certificate.subject.rfc4514_string()
        assert name.startswith("CN=node1-")
        names.add(name)
    assert len(names) == 3


def test_a_long_node_name_fits() -> None:
    der = to_der(make_certificate("n" * 63, NOW_MS)[1])
    check_certificate(der)
    assert len(der) < 600


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(MalformedError, match="is not a node name"):
        make_certificate("two words", NOW_MS)


def test_key_and_certificate_belong_together() -> None:
    key, certificate = make_certificate("node1", NOW_MS)
    private = serialization.load_pem_private_key(key, None)
    public = x509.load_pem_x509_certificate(certificate).public_key()
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    assert private.public_key().public_numbers() == public.public_numbers()  # type: ignore[union-attr]


def test_pem_and_der_are_the_same_certificate(good: bytes) -> None:
    assert to_der(to_pem(good)) == good
    assert to_der(to_pem(good).decode()) == good


@pytest.mark.parametrize("pem", [b"", b"garbage", b"\xff", "x", to_pem(b"x")[:-10]])
def test_what_is_no_pem_is_refused(pem: bytes | str) -> None:
    with pytest.raises(MalformedError, match="not a certificate in PEM"):
        to_der(pem)


# --- what is not the recipe -----------------------------------------------------------------------


@dataclass
class Variant:
    """The recipe, with one thing changed."""

    key: PrivateKey
    common_name: str | None = None
    issuer: str | None = None
    extensions: tuple[tuple[x509.ExtensionType, bool], ...] | None = None
    signer: PrivateKey | None = None
    hash: hashes.SHA256 | hashes.SHA512 | None = None
    life: timedelta = LIFE

    def der(self) -> bytes:
        name = self.common_name or f"node1-{self._key_hash()}"
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(self.issuer or name))
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - CLOCKS_DIFFER)
            .not_valid_after(NOW + self.life)
        )
        for value, critical in _recipe() if self.extensions is None else self.extensions:
            builder = builder.add_extension(value, critical)
        signer = self.signer or self.key
        algorithm = (
            None if isinstance(signer, ed25519.Ed25519PrivateKey) else self.hash or hashes.SHA256()
        )
        return builder.sign(signer, algorithm).public_bytes(serialization.Encoding.DER)

    def _key_hash(self) -> str:
        info = self.key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return hashlib.sha256(info).hexdigest()[:32]


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _recipe() -> tuple[tuple[x509.ExtensionType, bool], ...]:
    certificate = x509.load_pem_x509_certificate(make_certificate("node1", NOW_MS)[1])
    return tuple((extension.value, extension.critical) for extension in certificate.extensions)


def _with(kind: type, value: x509.ExtensionType | None, critical: bool = True) -> Variant:
    """The extension of this kind replaced, or left out."""
    kept = tuple(row for row in _recipe() if not isinstance(row[0], kind))
    added = () if value is None else ((value, critical),)
    return Variant(_p256(), extensions=(*kept, *added))


def _p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _usage(**on: bool) -> x509.KeyUsage:
    flags = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement "
        "key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**{flag: on.get(flag, False) for flag in flags.split()})


def _names(*names: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.DNSName(name) for name in names])


def _short_named() -> Variant:
    """Named after its key by 32 bits: another key with that name is found in hours."""
    variant = Variant(_p256())
    return replace(variant, common_name=f"node1-{variant._key_hash()[:8]}")


VARIANTS: dict[str, Callable[[], Variant]] = {
    "CA:TRUE": lambda: _with(x509.BasicConstraints, x509.BasicConstraints(True, None)),
    "no BasicConstraints": lambda: _with(x509.BasicConstraints, None),
    "BasicConstraints not critical": lambda: _with(
        x509.BasicConstraints, x509.BasicConstraints(False, None), critical=False
    ),
    "no KeyUsage": lambda: _with(x509.KeyUsage, None),
    "KeyUsage not critical": lambda: _with(
        x509.KeyUsage, _usage(digital_signature=True), critical=False
    ),
    "KeyUsage with keyCertSign": lambda: _with(
        x509.KeyUsage, _usage(digital_signature=True, key_cert_sign=True)
    ),
    "another SAN": lambda: _with(x509.SubjectAlternativeName, _names("evil.example"), False),
    "one SAN more": lambda: _with(
        x509.SubjectAlternativeName, _names(SERVER_NAME, "evil.example"), False
    ),
    "one extension more": lambda: _with(
        x509.ExtendedKeyUsage, x509.ExtendedKeyUsage([x509.oid.ExtendedKeyUsageOID.SERVER_AUTH])
    ),
    "no extensions": lambda: Variant(_p256(), extensions=()),
    "P-384": lambda: Variant(ec.generate_private_key(ec.SECP384R1())),
    "RSA": lambda: Variant(rsa.generate_private_key(65537, 2048)),
    "Ed25519": lambda: Variant(ed25519.Ed25519PrivateKey.generate()),
    "SHA-512": lambda: Variant(_p256(), hash=hashes.SHA512()),
    "another key's name": lambda: Variant(_p256(), common_name="node1-00000000"),
    "too few digits of its key": _short_named,
    "no name": lambda: Variant(_p256(), common_name="node1"),
    "issued by another": lambda: Variant(_p256(), issuer="node2-00000000"),
    "signed by another": lambda: Variant(_p256(), signer=_p256()),
    "a longer life": lambda: Variant(_p256(), life=LIFE * 2),
    "a shorter life": lambda: Variant(_p256(), life=timedelta(days=30)),
}


def test_the_variant_without_a_change_passes() -> None:
    check_certificate(Variant(_p256()).der())


@pytest.mark.parametrize("what", VARIANTS)
def test_another_recipe_is_refused(what: str) -> None:
    with pytest.raises(MalformedError, match=r"is not one that pmgsync makes|bytes"):
        check_certificate(VARIANTS[what]().der())


def test_what_is_too_large_is_refused_unread() -> None:
    with pytest.raises(MalformedError, match="a certificate of 1025 bytes"):
        check_certificate(bytes(1025))


@pytest.mark.parametrize("bit", [0x01, 0x02, 0x80])
def test_every_altered_byte_is_refused(good: bytes, bit: int) -> None:
    for index in range(len(good)):
        altered = good[:index] + bytes([good[index] ^ bit]) + good[index + 1 :]
        with pytest.raises(MalformedError):
            check_certificate(altered)


@given(st.binary(max_size=200))
@settings(max_examples=200)
def test_arbitrary_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(MalformedError):
        check_certificate(data)


def test_bytes_after_the_end_are_refused(good: bytes) -> None:
    with pytest.raises(MalformedError):
        check_certificate(good + b"\0")


def test_a_daemon_that_is_up_has_not_loaded_x509() -> None:
    script = (
        "import sys, pmgsync.wire.server, pmgsync.wire.client, pmgsync.wire.join\n"
        "sys.exit('cryptography.x509' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# --- what is read and proven without trusting names ----------------------------------------------


@pytest.mark.parametrize("years", [-30, 0, 13, 20, 60], ids=lambda years: f"{2027 + years}")
def test_the_end_is_read_without_the_library(years: int) -> None:
    """UTCTime until 2049, GeneralizedTime from then on."""
    made = NOW_MS + years * 366 * 24 * 3600 * 1000
    der = to_der(make_certificate("node1", made)[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        end = x509.load_der_x509_certificate(der).not_valid_after
    assert ends_at(der) == int(end.replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("years", "fits"), [(8, True), (9, True), (11, False), (-9, True), (-11, False)]
)
def test_a_certificate_of_a_clock_that_is_ten_years_wrong_replaces_none(
    good: bytes, years: int, fits: bool
) -> None:
    made = NOW_MS + years * 365 * 24 * 3600 * 1000
    other = to_der(make_certificate("node1", made)[1])
    objection = renewal_objection(good, other, [])
    assert ("a clock is wrong" not in objection) == fits
    assert bool(objection) != fits


def test_a_certificate_is_valid_when_the_link_before_was_made(good: bytes) -> None:
    """The node's own clock was wrong already when it made the one before."""
    later = NOW_MS + 9 * 365 * 24 * 3600 * 1000
    ahead = to_der(make_certificate("node1", later)[1])
    assert not renewal_objection(good, ahead, [NOW_MS])
    assert "valid from 2026-01" in renewal_objection(good, ahead, [NOW_MS - 2 * 366 * 86_400_000])


@pytest.mark.parametrize(("hours", "fits"), [(-25, False), (-23, True), (23, True), (25, False)])
def test_a_certificate_is_made_by_a_clock_that_is_right_to_a_day(
    good: bytes, hours: int, fits: bool
) -> None:
    other = to_der(make_certificate("node1", NOW_MS + hours * 3_600_000)[1])
    objection = renewal_objection(good, other, [], NOW_MS)
    assert (not objection) == fits
    assert fits or "the clock there is wrong" in objection


def test_what_is_cut_short_has_no_end(good: bytes) -> None:
    for length in (0, 1, 2, 20, 60, 100, 110):
        with pytest.raises(MalformedError):
            ends_at(good[:length])
    with pytest.raises(MalformedError):
        ends_at(b"certificate 1")


def test_a_key_is_proven_for_one_message_and_one_certificate() -> None:
    (key, pem), (other_key, other) = (make_certificate(f"node{n}", NOW_MS) for n in (1, 2))
    proof = prove(key, b"this")
    check_proven(to_der(pem), proof, b"this")
    for certificate, made, message in (
        (pem, proof, b"that"),
        (other, proof, b"this"),
        (pem, prove(other_key, b"this"), b"this"),
        (pem, b"", b"this"),
    ):
        with pytest.raises(BadSignatureError):
            check_proven(to_der(certificate), made, message)
    with pytest.raises(MalformedError):
        check_proven(b"no certificate", proof, b"this")
