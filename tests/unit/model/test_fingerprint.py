"""What people compare."""

import re

import pytest

from pmgsync.errors import UsageError
from pmgsync.model.fingerprint import fingerprint, is_fingerprint
from pmgsync.model.membership import MemberKeys
from tests.unit.model.sample import key

KEYS = MemberKeys(key(2).public_key, b"certificate 2")
PRINT = fingerprint(KEYS)


def test_it_is_24_letters_in_groups() -> None:
    assert re.fullmatch(r"([A-Z2-7]{4}-){5}[A-Z2-7]{4}", PRINT)
    assert fingerprint(KEYS) == PRINT


def test_it_covers_both_keys() -> None:
    others = [
        MemberKeys(key(3).public_key, KEYS.certificate),
        MemberKeys(KEYS.identity, b"certificate 3"),
        MemberKeys(KEYS.identity, KEYS.certificate + b"\0"),
    ]
    assert len({PRINT, *map(fingerprint, others)}) == 4
    assert not any(is_fingerprint(PRINT, other) for other in others)


@pytest.mark.parametrize(
    "typed", [PRINT, PRINT.lower(), PRINT.replace("-", ""), f" {PRINT.replace('-', ' ')} "]
)
def test_how_it_is_typed_does_not_matter(typed: str) -> None:
    assert is_fingerprint(typed, KEYS)


def test_one_letter_matters() -> None:
    for at in (0, 10, len(PRINT) - 1):
        wrong = "A" if PRINT[at] != "A" else "B"
        assert not is_fingerprint(PRINT[:at] + wrong + PRINT[at + 1 :], KEYS)


@pytest.mark.parametrize("typed", ["", PRINT[:-1], PRINT[:14], PRINT + "A", "0" * 24, "ä" * 24])
def test_what_is_none_says_nothing(typed: str) -> None:
    with pytest.raises(UsageError, match="is not a fingerprint"):
        is_fingerprint(typed, KEYS)
