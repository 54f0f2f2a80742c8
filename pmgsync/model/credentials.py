"""What looks like a credential in a line of text, and how it is masked.

Two degrees: what is a credential wherever it stands (`user:word@` in an address, the hash of a
password), and, for text of unknown origin, also what stands after a word like `password`.
"""

import re

MASK = "********"

_ASSIGNED = re.compile(
    r"""(?ix)
    (?P<key> (?<![\w.-]) [\w.-]*
             (?: pass | passwd | password | passphrase | pwd | bindpw | secret | token
               | api[_-]?key | client[_-]?key | private[_-]?key | authorization ) ["']? )
    (?P<gap> \s* [:=] \s* )
    (?P<value> \S.* )
    """
)
_SPACED = re.compile(
    r"""(?ix)
    (?P<key> (?: ^ \s* (?:[\w.-]*[_-])? pass
               | (?:^|(?<=\s)) [\w.-]* (?: passwd | password | passphrase | bindpw | secret | token
                                         | api[_-]?key | client[_-]?key | private[_-]?key ) ) )
    (?P<gap> \s+ )
    (?P<value> (?![:=]) \S.* )
    """
)
_IN_ADDRESS = re.compile(
    r"(?P<scheme>(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://)(?P<who>[^\s/@]*)@"
)
_HASH = re.compile(r"\$[0-9a-z]{1,3}\$[^\s:\"']+")


def mask_credentials(line: str) -> str:
    """`line` with what looks like a credential replaced by a mask."""
    line = mask_unmistakable(line)
    for pattern in (_ASSIGNED, _SPACED):
        line = pattern.sub(rf"\g<key>\g<gap>{MASK}", line)
    return line


def mask_unmistakable(line: str) -> str:
    """`line` without credentials in addresses and hashes of passwords, which are never prose."""
    return _HASH.sub(MASK, _IN_ADDRESS.sub(_masked_address, line))


def _masked_address(match: re.Match[str]) -> str:
    """A password goes, and so does a lone word before the `@`: it may be a token."""
    user, colon, _ = match["who"].partition(":")
    return f"{match['scheme']}{user}:{MASK}@" if colon else f"{match['scheme']}{MASK}@"
