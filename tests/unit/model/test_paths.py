"""ManagedPath: what may name a synced file."""

import pickle
import unicodedata

import pytest

from pmgsync.errors import OutOfScopeError
from pmgsync.model.paths import ManagedPath, printable

LONG = "a" * 255


@pytest.mark.parametrize(
    "text",
    [
        "etc/pmg/domains",
        "domains",
        "etc/pmg/with blank",
        "etc/pmg/;$(reboot)`x`",
        "etc/pmg/...",
        "etc/pmg/..a",
        "etc/pmg/é",
        "etc/pmg/" + LONG,
        "etc/pmg/" + "é" * 127,
        "/".join([LONG] * 4),
    ],
)
def test_a_relative_path_of_plain_names_is_taken(text: str) -> None:
    assert ManagedPath(text) == text


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "empty"),
        ("/", "absolute"),
        ("/etc/pmg/domains", "absolute"),
        ("etc//pmg", "empty"),
        ("etc/pmg/", "empty"),
        (".", "`.`"),
        ("etc/./pmg", "`.`"),
        ("..", "`..`"),
        ("etc/pmg/../shadow", "`..`"),
        ("etc/pmg/a/..", "`..`"),
        ("etc/pmg/a\0b", "control"),
        ("etc/pmg/a\nb", "control"),
        ("etc/pmg/a\n", "control"),
        ("etc/pmg/a\x1b[2J", "control"),
        ("etc/pmg/a\x7f", "control"),
        ("etc/pmg/a\x9b2J", "control"),
        ("etc/pmg/a\x85", "control"),
        ("etc/pmg/\udc80", "UTF-8"),
        (LONG + "a", "255"),
        ("é" * 128, "255"),
        ("/".join([LONG] * 4) + "/a", "1024"),
        ("x/" * 2048 + "a", "1024"),
    ],
)
def test_what_may_not_name_a_file_is_refused_with_the_reason(text: str, fault: str) -> None:
    with pytest.raises(OutOfScopeError, match=fault):
        ManagedPath(text)


def test_a_path_may_have_1024_bytes_and_not_one_more() -> None:
    text = "/".join([LONG, LONG, LONG, "a" * 253, "bb"])
    assert len(text) == 1024
    assert ManagedPath(text) == text
    with pytest.raises(OutOfScopeError, match="1024"):
        ManagedPath(text + "b")


def test_a_refusal_shows_a_hostile_name_without_its_control_characters() -> None:
    with pytest.raises(OutOfScopeError) as caught:
        ManagedPath("etc/pmg/a\x1b[2J\nroot: fine")
    assert str(caught.value).isprintable()
    assert "\\x1b[2J\\n" in caught.value.where


def test_a_refusal_of_a_huge_name_is_short() -> None:
    with pytest.raises(OutOfScopeError, match="longer") as caught:
        ManagedPath("a" * 10_000_000)
    assert len(str(caught.value)) < 2000


def test_names_that_differ_in_case_or_normalisation_are_different_names() -> None:
    composed, decomposed = (unicodedata.normalize(form, "etc/pmg/é") for form in ("NFC", "NFD"))
    assert len({ManagedPath(composed), ManagedPath(decomposed)}) == 2
    assert ManagedPath("etc/pmg/Domains") != ManagedPath("etc/pmg/domains")


def test_a_managed_path_is_equal_to_its_text_and_finds_it_in_a_mapping() -> None:
    path = ManagedPath("etc/pmg/domains")
    by_path: dict[str, int] = {path: 1}
    assert by_path["etc/pmg/domains"] == 1
    assert {"etc/pmg/domains": 1}[path] == 1
    assert ManagedPath(path) is path
    assert pickle.loads(pickle.dumps(path)) == path  # noqa: S301 - our own bytes


def test_folder_and_name_are_the_two_parts_of_a_path() -> None:
    path = ManagedPath("etc/pmg/dkim/a.private")
    assert (path.folder, path.name) == ("etc/pmg/dkim", "a.private")
    assert (ManagedPath("a").folder, ManagedPath("a").name) == ("", "a")


def test_printable_text_is_shown_as_it_is_and_the_rest_as_escapes() -> None:
    assert printable("etc/pmg/é b") == "etc/pmg/é b"
    assert printable("a\0\r\n\x1b\u202e") == "a\\x00\\r\\n\\x1b\\u202e"
    assert printable("\udcff") == "\\udcff"
