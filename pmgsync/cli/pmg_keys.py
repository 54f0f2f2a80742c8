"""The keys that PMG's `cluster.conf` must name for a node: gathered from the machine, once, when
it founds or joins.

pmgsync trusts none of them, but PMG's own reader drops a section that lacks one. Where the machine
has none (no PMG, no ssh), a public RSA key is made whose private half is thrown away at once: well
formed, and opens nothing. One does for all that the machine lacks; making it takes a tenth of a
second.
"""

from __future__ import annotations

import hashlib
import ssl
from functools import cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from pmgsync.model.pmg_node import PmgKeys

if TYPE_CHECKING:
    from pathlib import Path

API_CERTIFICATE = "etc/pmg/pmg-api.pem"
HOST_KEY = "etc/ssh/ssh_host_rsa_key.pub"
ROOT_KEY = "root/.ssh/id_rsa.pub"
_BITS = 2048


def gather_pmg_keys(root: Path, own_certificate: bytes) -> PmgKeys:
    """PMG's keys of the machine below `root`; `own_certificate` (DER) stands in where there is no
    pmg-api.pem.
    """
    return PmgKeys(
        fingerprint=_fingerprint(root / API_CERTIFICATE, own_certificate),
        host_rsa=_rsa_body(root / HOST_KEY),
        root_rsa=_rsa_body(root / ROOT_KEY),
    )


def _fingerprint(path: Path, otherwise: bytes) -> str:
    try:
        text = path.read_text("ascii")
        begin, end = text.index(ssl.PEM_HEADER), text.index(ssl.PEM_FOOTER) + len(ssl.PEM_FOOTER)
        der = ssl.PEM_cert_to_DER_cert(text[begin:end])
    except (OSError, ValueError):
        der = otherwise
    return hashlib.sha256(der).digest().hex(":").upper()


def _rsa_body(path: Path) -> str:
    """The base64 body of an OpenSSH RSA public key, without `ssh-rsa` and comment, as PMG stores
    it.
    """
    try:
        words = path.read_text("ascii").split()
    except (OSError, ValueError):
        words = []
    if words[:1] == ["ssh-rsa"] and words[1:]:
        return words[1]
    return _nobody()


@cache
def _nobody() -> str:
    public = rsa.generate_private_key(public_exponent=65537, key_size=_BITS).public_key()
    return public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1].decode("ascii")
