"""Plans: what they put, delete and build; and names that fit beside every target."""

import pytest

from pmgsync.agent.beside import backup, map_of, staged
from pmgsync.agent.plan import Advance, Plan, plan_advance, plan_repair
from pmgsync.model.changeset import NOWHERE, Position
from pmgsync.model.manifest import Manifest, digest_of
from pmgsync.model.paths import MAX_NAME_BYTES, MAX_PATH_BYTES, ManagedPath
from pmgsync.model.scope import is_leaving, rule_for
from tests.sim.author import manifest_of

CONF, DOMAINS, TRANSPORT = "etc/pmg/pmg.conf", "etc/pmg/domains", "etc/pmg/transport"
AT = Position(1, 7)


def plan(old: dict[str, bytes], new: dict[str, bytes], *, authored: bool = False) -> Plan:
    advance = Advance(AT, manifest_of(new), ())
    return plan_advance(manifest_of(old), Position(1, 6), advance, authored=authored)


def test_a_plan_names_what_differs() -> None:
    made = plan({CONF: b"a", DOMAINS: b"x"}, {CONF: b"b", TRANSPORT: b"t"})
    assert [entry.path for entry in made.puts] == [CONF, TRANSPORT]
    assert made.deletes == (DOMAINS,)
    assert made.touched == {CONF, TRANSPORT, DOMAINS}
    assert (made.before, made.after) == (Position(1, 6), AT)
    assert made.size == 2


def test_no_difference_is_an_empty_plan() -> None:
    made = plan({CONF: b"a"}, {CONF: b"a"})
    assert (made.puts, made.deletes, made.maps, made.size) == ((), (), (), 0)
    assert made.contents == made.touched == frozenset()


def test_maps_are_built_for_what_changed_and_from_nothing_for_what_is_gone() -> None:
    made = plan({DOMAINS: b"x", CONF: b"a"}, {TRANSPORT: b"t", CONF: b"b"})
    assert [(path, source and source.digest) for path, source in made.maps] == [
        (DOMAINS, None),
        (TRANSPORT, digest_of(b"t")),
    ]
    assert made.contents == {digest_of(b"t"), digest_of(b"b")}


def test_an_authored_plan_puts_nothing_and_builds_the_maps() -> None:
    made = plan({DOMAINS: b"x", CONF: b"a"}, {DOMAINS: b"y", TRANSPORT: b"t"}, authored=True)
    assert (made.puts, made.deletes, made.touched) == ((), (), frozenset())
    assert [path for path, _ in made.maps] == [DOMAINS, TRANSPORT]
    assert made.contents == {digest_of(b"y"), digest_of(b"t")}


def test_a_repair_puts_back_removes_and_builds() -> None:
    active = manifest_of({CONF: b"a", DOMAINS: b"x", TRANSPORT: b"t"})
    made = plan_repair(
        active, AT, paths=[CONF, "etc/pmg/mynetworks", TRANSPORT], unmapped=[DOMAINS, TRANSPORT]
    )
    assert [entry.path for entry in made.puts] == [CONF, TRANSPORT]
    assert made.deletes == ("etc/pmg/mynetworks",)
    assert [path for path, _ in made.maps] == [DOMAINS, TRANSPORT]
    assert made.before == made.after == AT
    assert made.records == ()


def test_a_repair_of_a_deleted_source_rebuilds_its_map() -> None:
    made = plan_repair(Manifest(), AT, paths=[DOMAINS], unmapped=[])
    assert (made.deletes, made.maps) == ((DOMAINS,), ((ManagedPath(DOMAINS), None),))


def test_the_first_plan_starts_from_what_was_found() -> None:
    advance = Advance(AT, manifest_of({CONF: b"a"}), ())
    made = plan_advance(
        manifest_of({CONF: b"a", TRANSPORT: b"t"}), NOWHERE, advance, authored=False
    )
    assert (made.puts, made.deletes) == ((), (TRANSPORT,))


LONGEST_NAME = "etc/pmg/templates/" + "n" * MAX_NAME_BYTES
LONGEST_PATH = "etc/pmg/acme/" + "/".join(["d" * 200] * 5)
assert len(LONGEST_PATH) < MAX_PATH_BYTES


@pytest.mark.parametrize("path", [CONF, LONGEST_NAME, LONGEST_PATH, "etc/pmg/templates/ü" * 3])
@pytest.mark.parametrize("beside", [staged, backup, lambda path: map_of(staged(path))])
def test_names_beside_a_target_fit_and_never_travel(path: str, beside: object) -> None:
    assert callable(beside)
    name: str = beside(path)
    folder, _, last = name.rpartition("/")
    assert folder == path.rpartition("/")[0]
    assert len(last.encode()) <= MAX_NAME_BYTES
    assert is_leaving(last)
    assert rule_for(name) is None


def test_names_beside_different_targets_differ() -> None:
    names = {f(p) for f in (staged, backup) for p in (CONF, DOMAINS, map_of(DOMAINS))}
    assert len(names) == 6
