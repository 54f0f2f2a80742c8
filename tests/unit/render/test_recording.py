"""What a template reads is known afterwards, and tells whether it would read the same again."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.render.recording import (
    MISSING,
    Reads,
    Recorder,
    names,
    recorded,
    still_holds,
    value_at,
)

TREE: dict[str, Any] = {
    "pmg": {"mail": {"relay": "192.0.2.1", "tls": 0}, "admin": {"demo": 0}},
    "dns": {"fqdn": "mail1.example.com"},
}


def recording() -> tuple[dict[str, Any], Reads]:
    reads: Reads = {}
    return recorded(TREE, reads), reads


def test_a_value_is_noted_under_its_dotted_name() -> None:
    tree, reads = recording()
    assert tree["pmg"]["mail"]["relay"] == "192.0.2.1"
    assert tree["dns"].get("fqdn") == "mail1.example.com"
    assert reads == {"pmg.mail.relay": "192.0.2.1", "dns.fqdn": "mail1.example.com"}


def test_nothing_is_noted_on_the_way() -> None:
    tree, reads = recording()
    assert isinstance(tree["pmg"]["mail"], Recorder)
    assert tree["pmg"].get("mail") is not None
    assert reads == {}


def test_what_is_not_there_is_noted_as_missing() -> None:
    tree, reads = recording()
    assert tree["pmg"]["mail"].get("smarthost") is None
    assert "nothing" not in tree["pmg"]["mail"]
    with pytest.raises(KeyError):
        tree["dns"]["zone"]
    assert reads == {
        "pmg.mail.smarthost": MISSING,
        "pmg.mail.nothing": MISSING,
        "dns.zone": MISSING,
    }
    assert names(reads) == ()


def test_asking_whether_it_is_there_is_reading_it() -> None:
    tree, reads = recording()
    assert "relay" in tree["pmg"]["mail"]
    assert reads == {"pmg.mail.relay": "192.0.2.1"}


@pytest.mark.parametrize(
    "go_through",
    [
        lambda mail: list(mail),
        lambda mail: len(mail),
        lambda mail: list(mail.keys()),
        lambda mail: list(mail.values()),
        lambda mail: list(mail.items()),
    ],
)
def test_who_goes_through_a_mapping_reads_all_of_it(go_through: Callable[[Any], object]) -> None:
    tree, reads = recording()
    go_through(tree["pmg"]["mail"])
    assert reads == {"pmg.mail": {"relay": "192.0.2.1", "tls": 0}}


def test_a_recorder_is_a_dict_and_reads_like_one() -> None:
    tree, _ = recording()
    assert isinstance(tree["pmg"], dict)
    assert tree["pmg"]["mail"].get("x", 7) == 7


def test_the_names_are_sorted_and_told_once() -> None:
    tree, reads = recording()
    for _ in range(2):
        tree["pmg"]["mail"]["tls"]
        tree["dns"]["fqdn"]
    assert names(reads) == ("dns.fqdn", "pmg.mail.tls")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pmg.mail.tls", 0),
        ("dns.fqdn", "mail1.example.com"),
        ("pmg.mail.none", MISSING),
        ("none", MISSING),
        ("dns.fqdn.deeper", MISSING),
        ("pmg.admin", {"demo": 0}),
    ],
)
def test_the_value_of_a_dotted_name(name: str, value: object) -> None:
    assert value_at(TREE, name) == value


def test_it_still_holds_while_what_was_read_is_the_same() -> None:
    tree, reads = recording()
    tree["pmg"]["mail"]["relay"]
    other = {"pmg": {"mail": {"relay": "192.0.2.1", "tls": 1}}, "dns": {}}
    assert still_holds(reads, TREE)
    assert still_holds(reads, other)


@pytest.mark.parametrize("now", ["192.0.2.2", None, ""])
def test_it_holds_no_more_when_a_value_that_was_read_changes(now: str | None) -> None:
    tree, reads = recording()
    tree["pmg"]["mail"]["relay"]
    assert not still_holds(reads, {"pmg": {"mail": {"relay": now}}})


def test_it_holds_no_more_when_what_was_missing_appears() -> None:
    tree, reads = recording()
    tree["pmg"]["mail"].get("smarthost")
    assert not still_holds(reads, {"pmg": {"mail": {"smarthost": None}}})


def test_a_number_is_not_the_text_of_it() -> None:
    tree, reads = recording()
    tree["pmg"]["mail"]["tls"]
    assert not still_holds(reads, {"pmg": {"mail": {"tls": "0"}}})
    assert not still_holds(reads, {"pmg": {"mail": {"tls": False}}})


LEAVES = st.none() | st.integers(0, 2) | st.sampled_from(["", "a", "b"])
KEYS = st.sampled_from(["x", "y", "z"])
TREES = st.dictionaries(
    KEYS, st.dictionaries(KEYS, LEAVES | st.dictionaries(KEYS, LEAVES, max_size=2), max_size=3)
)


def read_some(tree: dict[str, Any], questions: list[tuple[str, str, str | None]]) -> list[object]:
    """What a program that asks these questions finds out; the same questions for every tree."""
    found: list[object] = []
    for realm, section, key in questions:
        inner = tree.get(realm, {}).get(section, "nothing")
        if isinstance(inner, dict):
            found.append(sorted(inner.items(), key=repr) if key is None else inner.get(key, "no"))
        else:
            found.append(inner)
    return found


@given(TREES, TREES, st.lists(st.tuples(KEYS, KEYS, st.none() | KEYS), max_size=4))
def test_if_it_still_holds_the_same_questions_have_the_same_answers(
    before: dict[str, Any], after: dict[str, Any], questions: list[tuple[str, str, str | None]]
) -> None:
    reads: Reads = {}
    tree = recorded(before, reads)
    answers = read_some(tree, questions)
    if before.keys() == after.keys() and still_holds(reads, after):
        assert read_some(after, questions) == answers


@given(TREES, st.lists(st.tuples(KEYS, KEYS, st.none() | KEYS), max_size=4))
def test_it_always_holds_for_the_tree_itself(
    tree: dict[str, Any], questions: list[tuple[str, str, str | None]]
) -> None:
    reads: Reads = {}
    read_some(recorded(tree, reads), questions)
    assert still_holds(reads, tree)
