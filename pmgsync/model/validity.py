"""From when to when certificates are valid, and which one may replace which.

A certificate is made by a clock, and counts by those of the others. So it is valid from ten years
before it was made (a clock may be that wrong) for ten years to come, and what replaces one must be
valid at moments that somebody else's clock has named. It should also be made by a clock that is
right to a day, else it ends so much earlier or later than anybody expects.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from pmgsync.errors import MalformedError
from pmgsync.model.moment import date

if TYPE_CHECKING:
    from collections.abc import Iterable

CLOCKS_DIFFER = timedelta(days=3653)
"""A clock that is years behind must not end the connection: no time authorises anything here."""
LIFE = timedelta(days=3653)
MADE_WITHIN_MS = 24 * 60 * 60 * 1000
"""A new certificate was made so long ago at most, and no longer after now."""

_SECOND = 1000
_FIELDS_BEFORE_VALIDITY = 4
_UTC_TIME_CHARACTERS = 13
_LONG_FORM = 0x80
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z", re.ASCII)


def ends_at(der: bytes) -> int:
    """When the certificate `der`, which is of the recipe, runs out, in milliseconds since 1970.
    `MalformedError` where that is not in it.
    """
    return valid_from_to(der)[1]


def made_at(der: bytes) -> int:
    """When the certificate `der`, which is of the recipe, was made by its holder's clock, in
    milliseconds since 1970. `MalformedError` where that is not in it.
    """
    return valid_from_to(der)[0] + int(CLOCKS_DIFFER.total_seconds()) * _SECOND


def has_dates(der: bytes) -> bool:
    """Does the certificate `der` say from when to when it is valid?"""
    try:
        valid_from_to(der)
    except MalformedError:
        return False
    return True


def has_life(der: bytes) -> bool:
    """Is the certificate `der` valid for as long as the recipe says?"""
    start, end = valid_from_to(der)
    return end - start == int((CLOCKS_DIFFER + LIFE).total_seconds()) * _SECOND


def renewal_objection(
    before: bytes, after: bytes, moments: Iterable[int], now: int | None = None
) -> str:
    """Why the certificate `after` must not replace `before`; empty if it may.

    It must be valid when `before` was made and at `moments` (milliseconds since 1970): one that was
    made by a clock that is ten years wrong would count for nobody whose clock is right. And it must
    be made within a day of `now`, where that is given.
    """
    start, end = valid_from_to(after)
    if not all(start < moment < end for moment in (made_at(before), *moments)):
        return (
            f"the new certificate would be valid from {date(start)} to {date(end)} only: a clock "
            "is wrong"
        )
    made = made_at(after)
    if now is not None and abs(made - now) > MADE_WITHIN_MS:
        return (
            f"the clock there is wrong: it made the new certificate on {date(made)}, and it is "
            f"{date(now)}"
        )
    return ""


def entry_objection(der: bytes, now: int) -> str:
    """Why nobody is let in with the certificate `der`, which was made to join with; empty if it is
    in order. `now` in milliseconds since 1970.
    """
    made = made_at(der)
    if abs(made - now) <= MADE_WITHIN_MS:
        return ""
    return (
        f"its clock is wrong, or those here are: it made its certificate on {date(made)}, and "
        f"here it is {date(now)}"
    )


@lru_cache(maxsize=1024)
def valid_from_to(der: bytes) -> tuple[int, int]:
    """From when to when the certificate `der`, which is of the recipe, is valid, in milliseconds
    since 1970.

    Read by hand (RFC 5280, 4.1): a daemon asks it of each member and need not load x509 for it.
    `MalformedError` where that is not in it.
    """
    # Certificate, TBSCertificate; skip version, serial number, algorithm, issuer; Validity.
    at = _value(der, _value(der, 0)[0])[0]
    for _ in range(_FIELDS_BEFORE_VALIDITY):
        at = _value(der, at)[1]
    first = _value(der, _value(der, at)[0])
    return _moment(der, *first), _moment(der, *_value(der, first[1]))


def _moment(der: bytes, start: int, end: int) -> int:
    try:
        text = der[start:end].decode("ascii")
        if len(text) == _UTC_TIME_CHARACTERS:
            # UTCTime: two digits for the year, from 1950 to 2049 (RFC 5280, 4.1.2.5.1).
            text = ("19" if text >= "5" else "20") + text
        if not (found := _DATE.fullmatch(text)):  # `strptime` loads what no daemon needs
            raise ValueError(text)
        year, month, day, hour, minute, second = map(int, found.groups())
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        return int(moment.timestamp()) * _SECOND
    except ValueError:
        raise MalformedError("a certificate without a date") from None


def _value(der: bytes, at: int) -> tuple[int, int]:
    """Where the value of the ASN.1 element at `at` begins and ends."""
    if at + 2 > len(der):
        raise MalformedError("a certificate that ends early")
    length, start = der[at + 1], at + 2
    if length >= _LONG_FORM:
        start += length - _LONG_FORM
        length = int.from_bytes(der[at + 2 : start], "big")
    if start + length > len(der):
        raise MalformedError("a certificate that ends early")
    return start, start + length
