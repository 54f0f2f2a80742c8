"""Manifests and differences, for all states that there can be."""

from hypothesis import given
from hypothesis import strategies as st

from pmgsync.model.changeset import ChangeSet, Position, apply, diff
from pmgsync.model.manifest import FileEntry, Manifest
from tests.property.values import entries, loose_entries, loose_manifests, manifests, positions


@given(manifests, manifests)
def test_applying_the_difference_leads_to_the_target(base: Manifest, target: Manifest) -> None:
    result = apply(base, diff(base, target))
    assert result == target
    assert result.digest == target.digest


@given(manifests, manifests)
def test_there_and_back_leads_to_where_it_began(base: Manifest, target: Manifest) -> None:
    assert apply(apply(base, diff(base, target)), diff(target, base)) == base


@given(manifests)
def test_a_state_does_not_differ_from_itself(state: Manifest) -> None:
    assert not diff(state, state)
    assert not diff(state, Manifest(list(state.values())))


@given(manifests, manifests)
def test_a_difference_names_just_what_differs(base: Manifest, target: Manifest) -> None:
    change = diff(base, target)
    assert set(change.paths) == {p for p in {*base, *target} if base.get(p) != target.get(p)}
    assert list(change.paths) == sorted(set(change.paths))
    assert change.size == sum(target[p].size for p in change.paths if p in target)


@given(manifests, manifests)
def test_a_change_set_leads_from_its_parent_and_fits_its_end(
    base: Manifest, target: Manifest
) -> None:
    change = diff(base, target)
    change_set = ChangeSet("c", Position(1, 1), base.digest, target.digest, change, 0)
    assert change_set.lead(base) == target
    change_set.require_end(target)


@given(loose_manifests, loose_manifests)
def test_two_states_have_the_same_digest_only_if_they_are_the_same(
    one: Manifest, other: Manifest
) -> None:
    assert (one.digest == other.digest) == (one == other)


@given(loose_entries, loose_entries)
def test_two_entries_have_the_same_line_only_if_they_are_the_same(
    one: FileEntry, other: FileEntry
) -> None:
    assert (one.line == other.line) == (one == other)
    assert one.line.count(b"\n") == 1


@given(st.lists(entries, max_size=8, unique_by=lambda entry: entry.path))
def test_the_order_of_entries_does_not_matter(listed: list[FileEntry]) -> None:
    shuffled = sorted(listed, key=lambda entry: entry.digest + entry.path)
    assert Manifest(shuffled).digest == Manifest(listed).digest
    assert Manifest(reversed(listed)).to_bytes() == Manifest(listed).to_bytes()


@given(positions, positions)
def test_positions_are_ordered_as_they_count(one: Position, other: Position) -> None:
    assert (one < other) == ((one.epoch, one.version) < (other.epoch, other.version))
    assert (str(one) == str(other)) == (one == other)
