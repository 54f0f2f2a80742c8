"""Manifests: what names a state, and what may not be one."""

import hashlib
import json
from dataclasses import replace

import pytest

from pmgsync.errors import DigestMismatchError, MalformedError, OutOfScopeError
from pmgsync.model.canonical import encode
from pmgsync.model.manifest import (
    MAX_FILE_BYTES,
    FileEntry,
    Manifest,
    digest_of,
    parse_digest,
)
from pmgsync.model.paths import ManagedPath
from tests.unit.model.sample import STATES, entry, manifest

DOMAINS = entry("etc/pmg/domains", "a.example 1\n")
KEY = entry("etc/pmg/dkim/a.private", "secret")
FILE, INSIDE = entry("etc/pmg/acme/a"), entry("etc/pmg/acme/a/b")


def test_an_entry_takes_mode_and_owner_from_the_scope_table() -> None:
    assert (DOMAINS.size, DOMAINS.mode, DOMAINS.ownership) == (12, 0o644, "root:root")
    assert (KEY.mode, KEY.ownership) == (0o640, "root:pmg")
    assert DOMAINS.digest == hashlib.sha256(b"a.example 1\n").hexdigest()


def test_an_entry_is_one_line_of_what_the_digest_covers() -> None:
    empty = entry("etc/pmg/domains")
    assert empty.line == b"%b 0 644 root:root etc/pmg/domains\n" % digest_of(b"").encode()
    assert Manifest([empty]).digest == hashlib.sha256(empty.line).hexdigest()
    assert Manifest().digest == hashlib.sha256(b"").hexdigest()


@pytest.mark.parametrize("text", ["", "a" * 63, "a" * 65, "A" * 64, "g" * 64, "a" * 64 + "\n"])
def test_a_digest_is_64_lower_case_hex_digits(text: str) -> None:
    with pytest.raises(MalformedError, match="not a SHA-256 digest"):
        parse_digest(text)


@pytest.mark.parametrize(
    "change",
    [
        {"mode": 0o666},
        {"mode": 0o4644},
        {"ownership": "www-data:www-data"},
        {"size": MAX_FILE_BYTES + 1},
        {"path": ManagedPath("etc/shadow")},
        {"path": ManagedPath("etc/pmg/dkim/a.private")},
    ],
    ids=repr,
)
def test_an_entry_must_lie_as_the_scope_table_says(change: dict[str, object]) -> None:
    DOMAINS.check()
    with pytest.raises(OutOfScopeError):
        replace(DOMAINS, **change).check()  # type: ignore[arg-type]


def row(**cells: object) -> list[object]:
    names = ("path", "digest", "size", "mode", "owner")
    good = dict(zip(names, json.loads(json.dumps(DOMAINS.to_json())), strict=True))
    return list({**good, **cells}.values())


def test_an_entry_survives_its_row() -> None:
    assert FileEntry.from_json(row()) == DOMAINS


@pytest.mark.parametrize(
    "value",
    [
        None,
        {},
        [],
        "text",
        row()[:4],
        [*row(), 1],
        row(path=1),
        row(digest=None),
        row(digest="A" * 64),
        row(size=True),
        row(size=-1),
        row(size=2**64),
        row(size=10**4000),
        row(mode=-1),
        row(mode=0o10000),
        row(mode="644"),
        row(owner="root"),
        row(owner="root:"),
        row(owner="root:root "),
        row(owner="root:root\n"),
        row(owner="root:root etc/pmg/a"),
        row(owner="\ud800:root"),
        row(owner="Root:root"),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_a_row_of_another_form_is_malformed(value: object) -> None:
    with pytest.raises(MalformedError):
        FileEntry.from_json(value)


@pytest.mark.parametrize("path", ["/etc/shadow", "etc/pmg/../shadow", "a\0", "", "\ud800"])
def test_a_row_with_a_path_that_escapes_is_out_of_scope(path: str) -> None:
    with pytest.raises(OutOfScopeError):
        FileEntry.from_json(row(path=path))


def test_the_order_of_entries_does_not_matter() -> None:
    assert Manifest([DOMAINS, KEY]) == Manifest([KEY, DOMAINS])
    assert Manifest([DOMAINS, KEY]).digest == Manifest([KEY, DOMAINS]).digest
    assert Manifest([DOMAINS, KEY]).to_bytes() == Manifest([KEY, DOMAINS]).to_bytes()
    assert hash(Manifest([DOMAINS, KEY])) == hash(Manifest([KEY, DOMAINS]))


def test_all_that_an_entry_says_is_in_the_digest() -> None:
    others = [
        replace(DOMAINS, path=ManagedPath("etc/pmg/transport")),
        replace(DOMAINS, digest=digest_of(b"other")),
        replace(DOMAINS, size=13),
        replace(DOMAINS, mode=0o600),
        replace(DOMAINS, ownership="root:pmg"),
    ]
    digests = {Manifest([other]).digest for other in [DOMAINS, *others]}
    assert len(digests) == len(others) + 1


def test_a_manifest_is_no_other_kind_of_mapping() -> None:
    assert Manifest([DOMAINS]) != {DOMAINS.path: DOMAINS}
    assert Manifest([DOMAINS]) != Manifest()


def test_a_manifest_lists_its_contents() -> None:
    twice = Manifest([entry("etc/pmg/domains", "x"), entry("etc/pmg/transport", "x"), KEY])
    assert twice.digests == {digest_of(b"x"), KEY.digest}
    assert (len(twice), KEY.path in twice, twice[KEY.path]) == (3, True, KEY)
    assert twice.digest[:12] in repr(twice)


def test_a_change_leaves_the_manifest_it_is_made_to_alone() -> None:
    before = Manifest([DOMAINS])
    digest = before.digest
    after = before.changed([KEY], [DOMAINS.path])
    assert (dict(before), dict(after)) == ({DOMAINS.path: DOMAINS}, {KEY.path: KEY})
    assert before.digest == digest
    assert before.digest != after.digest


def test_a_manifest_survives_its_bytes() -> None:
    for state in STATES:
        assert Manifest.from_bytes(state.to_bytes(), expected=state.digest) == state


def test_a_manifest_with_another_digest_is_refused() -> None:
    with pytest.raises(DigestMismatchError):
        Manifest.from_bytes(STATES[1].to_bytes(), expected=STATES[2].digest)


def test_a_manifest_that_names_a_path_twice_is_refused() -> None:
    doubled = encode({"files": [DOMAINS.to_json(), DOMAINS.to_json()]})
    with pytest.raises(DigestMismatchError):
        Manifest.from_bytes(doubled, expected=Manifest([DOMAINS]).digest)


@pytest.mark.parametrize(
    "data",
    [b"{}", b'{"files":{}}', b'{"files":[],"x":1}', b'{"files":[1]}', b'{"files":null}', b"[]"],
)
def test_a_manifest_of_another_form_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedError):
        Manifest.from_bytes(data, expected=Manifest().digest)


def test_a_manifest_with_an_entry_out_of_scope_is_refused() -> None:
    hostile = Manifest([replace(DOMAINS, path=ManagedPath("etc/shadow"))])
    with pytest.raises(OutOfScopeError):
        Manifest.from_bytes(hostile.to_bytes(), expected=hostile.digest)


@pytest.mark.parametrize("entries", [(FILE, INSIDE), (INSIDE, FILE), (FILE, DOMAINS, INSIDE)])
def test_a_path_that_is_a_file_and_a_folder_is_refused(entries: tuple[FileEntry, ...]) -> None:
    hostile = Manifest(entries)
    with pytest.raises(OutOfScopeError, match="etc/pmg/acme/a: is a file and a folder"):
        hostile.check()
    with pytest.raises(OutOfScopeError):
        Manifest.from_bytes(hostile.to_bytes(), expected=hostile.digest)


def test_a_file_far_above_another_is_found_as_well() -> None:
    between = entry("etc/pmg/acme/a-b")  # sorts between the file and what lies in it
    hostile = Manifest([FILE, between, entry("etc/pmg/acme/a/b/c/d")])
    with pytest.raises(OutOfScopeError, match="a file and a folder"):
        hostile.check_shape()


def test_files_beside_each_other_are_no_folders() -> None:
    Manifest([FILE, entry("etc/pmg/acme/ab"), entry("etc/pmg/acme/a-b/c")]).check()


def test_too_many_files_are_refused() -> None:
    count = 100_001
    one = entry("etc/pmg/acme/a")
    many = Manifest(replace(one, path=ManagedPath(f"etc/pmg/acme/{n}")) for n in range(count))
    with pytest.raises(OutOfScopeError, match="more than 100000 files"):
        many.check_shape()
    with pytest.raises(MalformedError, match="more than 100000 files"):
        Manifest.from_bytes(encode({"files": [None] * count}), expected=many.digest)


def test_a_state_may_be_empty() -> None:
    Manifest().check()
    assert manifest() == Manifest()
