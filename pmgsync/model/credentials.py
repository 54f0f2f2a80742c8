"""What looks like a credential in a line of text, and how it is masked.

Two degrees: what is a credential wherever it stands (`user:word@` in an address, the hash of a
password), and, for text of unknown origin, also what may be one: what stands after a word like
`password`, an account in a table that stands in a Postfix parameter (`static:user:word`,
`inline:{host=user:word}`), a key in the path or the query of an URL. Rather one too many is masked.
A word like `password` may be misspelt (`pasword`, `passwort`).
"""

import re

MASK = "********"

_ASSIGNED = re.compile(
    r"""(?ix)
    (?P<key> (?<![\w.-]) [\w.-]*
             (?: pass | pas+w[a-z]* | passphrase | pwd | bindpw | secret | token
               | api[_-]?key | client[_-]?key | private[_-]?key | authorization | bind_?pw ) ["']? )
    (?P<gap> \s* [:=] \s* )
    (?P<value> \S.* )
    """
)
_SPACED = re.compile(
    r"""(?ix)
    (?P<key> (?: ^ \s* (?:[\w.-]*[_-])? pass
               | (?:^|(?<=\s)) [\w.-]* (?: pas+w[a-z]* | passphrase | bindpw | secret | token
                                         | api[_-]?key | client[_-]?key | private[_-]?key ) ) )
    (?P<gap> \s+ )
    (?P<value> (?![:=]) \S.* )
    """
)
_IN_ADDRESS = re.compile(
    r"(?P<scheme>(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]*://)(?P<who>[^\s/@]*)@"
)
_STATIC = re.compile(r"(?<![\w-])static:(?:\{[^{}]*:[^{}]*\}?|[^\s,{}:]*:\S*)")
_INLINE = "inline:{"
_IN_TABLE = re.compile(r"^(\s*\{[^=]*=\s*)\S[^:]*:.*$")
"""A line of an `inline:` table that goes on from the line before."""
_PATH = re.compile(r"(?P<place>[A-Za-z][A-Za-z0-9+.-]*://[^\s/?]+)(?P<path>[/?]\S*)")
_KEY_IN_PATH = re.compile(r"(?<=/)(?=[^/?\s]*[0-9])(?=[^/?\s]*[A-Za-z])[\w=-]{20,}(?![\w=.-])")
_KEY_IN_QUERY = re.compile(r"(?<=[?&])([^=&\s]*=)[^&\s]+")
_HASH = re.compile(r"\$[0-9a-z]{1,3}\$[^\s:\"']+")


def mask_credentials(line: str) -> str:
    """`line` with what looks like a credential replaced by a mask."""
    line = mask_unmistakable(line)
    for pattern in (_ASSIGNED, _SPACED):
        line = pattern.sub(rf"\g<key>\g<gap>{MASK}", line)
    line = _IN_TABLE.sub(rf"\g<1>{MASK}", _STATIC.sub(f"static:{MASK}", _without_tables(line)))
    return _PATH.sub(_masked_path, line)


def _without_tables(line: str) -> str:
    """`line` without what stands in `inline:{...}`, if that can be accounts."""
    head, found, table = line.partition(_INLINE)
    if not found or ":" not in table:
        return line
    _, closed, rest = table.rpartition("}")
    return f"{head}{found}{MASK}{closed}{rest if closed else ''}"


def _masked_path(match: re.Match[str]) -> str:
    path = _KEY_IN_QUERY.sub(rf"\g<1>{MASK}", match["path"])
    return match["place"] + _KEY_IN_PATH.sub(MASK, path)


def mask_unmistakable(line: str) -> str:
    """`line` without credentials in addresses and hashes of passwords, which are never prose."""
    return _HASH.sub(MASK, _IN_ADDRESS.sub(_masked_address, line))


def _masked_address(match: re.Match[str]) -> str:
    """A password goes, and so does a lone word before the `@`: it may be a token."""
    user, colon, _ = match["who"].partition(":")
    return f"{match['scheme']}{user}:{MASK}@" if colon else f"{match['scheme']}{MASK}@"
