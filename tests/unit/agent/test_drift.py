"""What counts as drift, what an apply would overwrite, and the words for it."""

from pmgsync.agent import drift
from pmgsync.agent.drift import Drift, find, note, overwritten
from pmgsync.model.manifest import FileEntry, Manifest
from pmgsync.model.paths import ManagedPath
from pmgsync.survey import Observation, Problem
from tests.sim.author import manifest_of

CONF, KEY, OTHER = "etc/pmg/pmg.conf", "etc/pmg/dkim/mail.private", "etc/pmg/mynetworks"
ACTIVE = manifest_of({CONF: b"conf", KEY: b"key"})


def seen(
    files: dict[str, bytes] | None = None, *, problems: tuple[str, ...] = (), unlike: str = ""
) -> Observation:
    """What a look found."""
    manifest = ACTIVE if files is None else manifest_of(files)
    troubles = tuple(Problem(path, "is a symbolic link", "replace it") for path in problems)
    return Observation(manifest, troubles, {}, frozenset(filter(None, [unlike])))


def entry(path: str, data: bytes) -> FileEntry:
    return FileEntry.of(ManagedPath(path), data)


def test_what_is_as_it_should_be_is_no_drift() -> None:
    assert find(ACTIVE, seen()) == ()


def test_every_reason() -> None:
    found = seen({CONF: b"edited", OTHER: b"added"})
    assert find(ACTIVE, found) == (
        Drift(KEY, drift.DELETED, None),
        Drift(OTHER, drift.ADDED, entry(OTHER, b"added")),
        Drift(CONF, drift.EDITED, entry(CONF, b"edited")),
    )
    assert find(ACTIVE, seen(unlike=KEY)) == (Drift(KEY, drift.ATTRIBUTES, None),)
    assert find(ACTIVE, seen(problems=(CONF,))) == (Drift(CONF, drift.REPLACED, None),)


def test_one_path_has_one_reason() -> None:
    both = find(ACTIVE, seen({CONF: b"edited", KEY: b"key"}, unlike=CONF))
    assert [one.reason for one in both] == [drift.EDITED]
    stale = find(ACTIVE, seen({CONF: b"edited", KEY: b"key"}, problems=(CONF,)))
    assert [one.reason for one in stale] == [drift.REPLACED]


def test_trouble_at_other_paths_is_no_drift() -> None:
    assert find(ACTIVE, seen(problems=(OTHER, "etc/pmg/dkim"), unlike=OTHER)) == ()


def lost(
    found: Observation, target: Manifest, *touched: str, joining: bool = False
) -> tuple[Drift, ...]:
    return overwritten(touched, found, ACTIVE, target, joining=joining)


def test_what_a_version_put_there_is_not_lost() -> None:
    target = manifest_of({CONF: b"new", KEY: b"key"})
    assert lost(seen(), target, CONF) == ()
    assert lost(seen({CONF: b"new"}), target, CONF) == ()
    assert lost(seen({KEY: b"key"}), target, CONF) == ()


def test_what_nobody_put_there_is() -> None:
    target = manifest_of({CONF: b"new"})
    edited = seen({CONF: b"edited", KEY: b"key", OTHER: b"mine"})
    assert lost(edited, target, CONF, OTHER) == (
        Drift(OTHER, drift.EDITED, entry(OTHER, b"mine")),
        Drift(CONF, drift.EDITED, entry(CONF, b"edited")),
    )
    assert lost(edited, target, CONF, joining=True) == (
        Drift(CONF, drift.BEFORE_JOINING, entry(CONF, b"edited")),
    )


def test_what_is_no_file_is_named_even_if_it_was_one() -> None:
    target = manifest_of({CONF: b"new"})
    assert lost(seen(problems=(CONF,)), target, CONF) == (Drift(CONF, drift.REPLACED, None),)


def test_the_words() -> None:
    words = note([Drift(CONF, drift.EDITED, entry(CONF, b"")), Drift(KEY, drift.DELETED, None)])
    assert words == (
        f"{CONF}: edited on this node; it was put back; the local content is kept"
        " (`pmgsync kept` on the node)",
        f"{KEY}: deleted on this node; it was put back",
    )


def test_what_was_not_there_is_not_put_back() -> None:
    mine = entry(OTHER, b"mine")
    words = note([Drift(OTHER, drift.ADDED, mine), Drift(OTHER, drift.BEFORE_JOINING, mine)])
    kept = "; the local content is kept (`pmgsync kept` on the node)"
    assert words == (
        f"{OTHER}: added on this node; it was removed{kept}",
        f"{OTHER}: was here before the node joined; it made way for the cluster's{kept}",
    )
