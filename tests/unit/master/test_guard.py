"""What a vanished folder looks like needs the admin's word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pmgsync.master.guard import LATELY_S, Lately, objection
from pmgsync.model.manifest import Manifest
from tests.unit.model.sample import entry

NAMES = [f"etc/pmg/acme/{number}" for number in range(10)]


def state(*paths: str) -> Manifest:
    return Manifest(entry(path, path) for path in paths)


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (NAMES, NAMES[5:], None),
        (NAMES, NAMES[6:], "delete 6 of the 10 synced files"),
        (NAMES, [], "delete 10 of the 10 synced files"),
        (NAMES[:1], [], None),
        (NAMES[:2], [], "delete 2 of the 2 synced files"),
        (NAMES[:3], NAMES[:2], None),
        ([], NAMES, None),
        ([*NAMES, "etc/pmg/pmg.conf"], NAMES, "delete etc/pmg/pmg.conf"),
        (["etc/pmg/pmg.conf"], [], "delete etc/pmg/pmg.conf"),
        (
            [*NAMES, "etc/pmg/pmg.conf"],
            NAMES[:2],
            "delete 9 of the 11 synced files, etc/pmg/pmg.conf too",
        ),
    ],
)
def test_what_is_held(before: list[str], after: list[str], reason: str | None) -> None:
    assert objection(state(*before), state(*after)) == reason


def test_new_files_do_not_make_up_for_lost_ones() -> None:
    replaced = [f"etc/pmg/acme/new-{number}" for number in range(20)]
    assert objection(state(*NAMES), state(*replaced)) is not None


@given(st.sets(st.sampled_from(NAMES)), st.sets(st.sampled_from(NAMES)))
def test_whatever_only_adds_or_edits_is_never_held(some: set[str], more: set[str]) -> None:
    edited = Manifest(entry(path, "other") for path in some | more)
    assert objection(state(*some), edited) is None


def test_a_folder_that_is_emptied_step_by_step_is_held() -> None:
    lately, held_at = Lately(), None
    for step in range(10):
        current, target = state(*NAMES[step:]), state(*NAMES[step + 1 :])
        if lately.objection(current, target, float(step) / 10) is not None:
            held_at = step
            break
        lately.replaced(current, float(step) / 10)
    assert held_at == 5


def test_what_was_deleted_long_ago_or_confirmed_is_not_counted() -> None:
    lately = Lately()
    lately.replaced(state(*NAMES), 0.0)
    few, fewer = state(*NAMES[5:]), state(*NAMES[6:])
    assert "counting the last 10 s" in (lately.objection(few, fewer, 1.0) or "")
    assert lately.objection(few, few, 1.0) is None
    assert lately.objection(few, fewer, LATELY_S + 1) is None
    lately.replaced(state(*NAMES), 20.0)
    lately.forget()
    assert lately.objection(few, fewer, 20.0) is None


def test_what_is_held_does_not_free_itself_with_time() -> None:
    lately = Lately()
    lately.replaced(state(*NAMES), 0.0)
    few, fewer = state(*NAMES[5:]), state(*NAMES[6:])
    for now in (1.0, LATELY_S + 1, 10 * LATELY_S):
        assert lately.objection(few, fewer, now) is not None
    assert lately.objection(few, few, 11 * LATELY_S) is None
    assert lately.objection(few, fewer, 12 * LATELY_S) is None
