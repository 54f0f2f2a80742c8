"""Hashes passwords as `crypt` does, with SHA-512 (`$6$`), which PMG's Perl checks with `crypt` too.

PMG reads a hash only in the form `$DIGIT$SALT$HASH`; so neither yescrypt (`$y$`) nor a number of
rounds can be had. Python's own `crypt` module warns from 3.11 on and is gone in 3.13. The library
behind it, libcrypt, is on every Debian system, as login needs it; it is called here directly.
"""

from __future__ import annotations

import ctypes
import secrets
import string

from pmgsync.errors import HostError

SALT_CHARACTERS = 16
_SALT_LETTERS = string.ascii_letters + string.digits + "./"
_LIBRARIES = ("libcrypt.so.1", "libcrypt.so.2")  # Debian's; that of systems without the old one


def hash_password(password: str) -> str:
    """The hash of a password, which has no NUL, with a new salt; `HostError` without libcrypt."""
    salt = "".join(secrets.choice(_SALT_LETTERS) for _ in range(SALT_CHARACTERS))
    return crypt(password, f"$6${salt}$")


def crypt(password: str, setting: str) -> str:
    """What libcrypt makes of a password by a setting or an earlier hash; equal hashes mean equal
    passwords.
    """
    function = _library().crypt
    function.restype, function.argtypes = ctypes.c_char_p, [ctypes.c_char_p, ctypes.c_char_p]
    made = function(password.encode("utf-8", "surrogateescape"), setting.encode())
    if not made or made.startswith(b"*"):
        raise HostError("libcrypt cannot hash a password", mend="see whether FIPS mode forbids it")
    return str(made.decode())


def _library() -> ctypes.CDLL:
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    raise HostError("libcrypt is missing", mend="install Debian's package libcrypt1")
