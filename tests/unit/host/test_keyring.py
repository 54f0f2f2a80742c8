"""The keys of a node on disk: new ones before they count, the ones before for long after."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from pmgsync.errors import HostError, StoreDamagedError
from pmgsync.host.identity import SPARE_KEYS
from pmgsync.host.keyring import MOST_PAIRS, Keyring, read_place
from pmgsync.model.envelope import Envelope
from pmgsync.model.membership import Member, MemberKeys, Membership, found
from pmgsync.model.rekeying import rekeyed
from pmgsync.model.scope import STATE_FOLDER
from pmgsync.wire.certificates import make_certificate
from tests.unit.model.sample import RECOVERY, STRANGER, member, seal_membership
from tests.unit.model.test_rekeying import NOWHERE_YET

NOW = 1_800_000_000_000


def new() -> tuple[bytes, bytes]:
    return make_certificate("mx1", NOW)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


class Place:
    """A node and the chain that names its keys."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / STATE_FOLDER
        self.keyring = Keyring.load(root, new)
        self.membership = _cluster_of(self.keyring.current.keys)
        self.chain: list[Envelope] = [seal_membership(self.membership)]
        self.keyring.current.write_chain(self.chain)

    def name(self, keys: MemberKeys) -> Membership:
        """The next link, in which the node has `keys`; not written down."""
        self.membership = rekeyed(
            self.membership, self.chain[-1], 1, keys, head=NOWHERE_YET, now=None
        )
        self.chain.append(seal_membership(self.membership))
        return self.membership

    def write(self) -> None:
        self.keyring.current.write_chain(self.chain)

    def again(self) -> Keyring:
        """What a daemon finds that starts now."""
        return Keyring.load(self.root, new)

    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.folder.iterdir())}

    def put_back(self, files: dict[str, bytes]) -> None:
        for path in self.folder.iterdir():
            path.unlink()
        for name, content in files.items():
            (self.folder / name).write_bytes(content)


def _cluster_of(keys: MemberKeys) -> Membership:
    me = member(1)
    return found(
        "c",
        (Member(1, "mx1", "127.0.0.1", 9443, me.pmg, keys), member(2)),
        master=1,
        max_cid=2,
        recovery=RECOVERY.public_key,
    )


def test_a_node_that_never_changed_its_keys_has_one_pair_and_no_file_more(root: Path) -> None:
    place = Place(root)
    assert [pair.keys for pair in place.again().pairs] == [place.keyring.current.keys]
    assert not (place.folder / SPARE_KEYS).exists()


def test_new_keys_are_on_disk_and_do_not_count_before_they_are_named(root: Path) -> None:
    place = Place(root)
    before = place.keyring.current.keys
    pair = place.keyring.prepare(new, identity=True)
    assert pair.key.public_key != before.identity
    again = place.again()
    assert (again.current.keys, [p.keys for p in again.pairs]) == (before, [before, pair.keys])
    assert again.public_key == before.identity
    mode = stat.S_IMODE((place.folder / SPARE_KEYS).stat().st_mode)
    assert mode == 0o600


def test_the_same_keys_are_asked_for_again_and_of_each_kind_there_is_one(root: Path) -> None:
    place = Place(root)
    pair = place.keyring.prepare(new, identity=True)
    tls = place.keyring.prepare(new, identity=False)
    assert tls.key.public_key == place.keyring.public_key
    assert tls.keys.certificate != place.keyring.current.keys.certificate
    assert place.again().prepare(new, identity=True).keys == pair.keys
    assert place.again().prepare(new, identity=False).keys == tls.keys


def test_a_pair_with_a_dead_identity_key_is_not_taken_again(root: Path) -> None:
    """The second of two tries came to nothing: its identity key is the one of before the first."""
    place = Place(root)
    first = place.keyring.prepare(new, identity=True)
    second = place.keyring.prepare(new, identity=False)
    place.keyring.follow(place.name(first.keys))
    third = place.keyring.prepare(new, identity=True)
    assert third.key.public_key not in {first.key.public_key, second.key.public_key}
    assert place.keyring.prepare(new, identity=True).keys == third.keys


def test_a_pair_whose_certificate_does_not_fit_is_not_taken_again(root: Path) -> None:
    """A clock that was wrong when it was made, and is right now."""
    place = Place(root)
    pair = place.keyring.prepare(new, identity=False)
    bad = pair.keys.certificate
    anew = place.keyring.prepare(new, identity=False, fits=lambda one: one != bad)
    assert anew.keys != pair.keys


def test_each_pair_that_may_count_is_shown_in_turn(root: Path) -> None:
    place = Place(root)
    first = place.keyring.current
    assert {place.keyring.face(turn).keys.fingerprint for turn in range(4)} == {
        first.keys.fingerprint
    }
    pair = place.keyring.prepare(new, identity=True)
    shown = [place.keyring.face(turn).keys for turn in range(4)]
    assert shown == [first.keys, pair.keys, first.keys, pair.keys]
    place.keyring.follow(place.name(pair.keys))
    assert place.keyring.face(1).keys == pair.keys


def test_what_the_membership_names_counts(root: Path) -> None:
    place = Place(root)
    pair = place.keyring.prepare(new, identity=True)
    assert not place.keyring.follow(place.membership)
    named = place.name(pair.keys)
    assert place.keyring.follow(named)
    assert not place.keyring.follow(named)
    assert place.keyring.public_key == pair.key.public_key
    assert place.keyring.public_key.verifies(place.keyring.sign(b"x"), b"x")
    place.write()
    assert place.again().current.keys == pair.keys
    assert (place.folder / "tls.crt").read_bytes() == pair.tls_certificate


def test_a_membership_that_names_none_of_them_changes_nothing(root: Path) -> None:
    place = Place(root)
    before = place.keyring.current.keys
    other = _cluster_of(MemberKeys(STRANGER.public_key, b"another's"))
    assert not place.keyring.follow(other)
    assert place.keyring.current.keys == before


def test_the_keys_before_come_back_where_the_membership_names_them_again(root: Path) -> None:
    place = Place(root)
    first = place.membership
    pair = place.keyring.prepare(new, identity=True)
    place.keyring.follow(place.name(pair.keys))
    assert place.keyring.follow(first)
    place.chain = place.chain[:1]
    place.write()
    assert place.again().current.keys in [m.keys for m in first.members]


def test_a_file_that_cannot_be_written_does_not_keep_the_keys_from_counting(root: Path) -> None:
    place = Place(root)
    pair = place.keyring.prepare(new, identity=True)
    named = place.name(pair.keys)
    place.write()
    (place.folder / "tls.key").unlink()
    (place.folder / "tls.key").mkdir()  # nothing can be renamed over it
    with pytest.raises(HostError):
        place.keyring.follow(named)
    assert place.keyring.public_key == pair.key.public_key
    (place.folder / "tls.key").rmdir()
    (place.folder / "tls.key").write_bytes(b"-----BEGIN PRIVATE KEY-----\nhalf")
    assert place.again().current.keys == pair.keys
    assert (place.folder / "tls.key").read_bytes() == pair.tls_key


def test_so_many_pairs_are_kept_and_the_one_that_counts_among_them(root: Path) -> None:
    place = Place(root)
    for _ in range(MOST_PAIRS + 2):
        pair = place.keyring.prepare(new, identity=False)
        place.keyring.follow(place.name(pair.keys))
    place.write()
    again = place.again()
    assert again.current.keys == pair.keys
    assert len(again.pairs) == MOST_PAIRS


def _steps(before: dict[str, bytes], after: dict[str, bytes]) -> Iterator[dict[str, bytes]]:
    """What a crash may leave of a change of keys: file by file, in the order of writing."""
    order = [SPARE_KEYS, "chain.json", "identity.key", "tls.key", "tls.crt"]
    yield before
    for count in range(1, len(order) + 1):
        yield before | {name: after[name] for name in order[:count]}


def test_a_crash_at_any_step_leaves_the_keys_that_the_chain_names(root: Path) -> None:
    place = Place(root)
    before, first = place.files(), place.keyring.current.keys
    pair = place.keyring.prepare(new, identity=True)
    named = place.name(pair.keys)
    place.write()
    place.keyring.follow(named)
    after = place.files()
    found = []
    for step in _steps(before, after):
        place.put_back(step)
        keyring = place.again()
        link = Membership.from_bytes(keyring.current.read_chain()[-1].payload)
        assert keyring.current.keys in [m.keys for m in link.members]
        assert (place.folder / "tls.crt").read_bytes() == keyring.current.tls_certificate
        assert (place.folder / "tls.key").read_bytes() == keyring.current.tls_key
        found.append(keyring.current.keys)
    assert found == [first, first, *[pair.keys] * 4]


def test_a_command_knows_the_node_between_the_chain_and_the_files(root: Path) -> None:
    place = Place(root)
    pair = place.keyring.prepare(new, identity=True)
    place.name(pair.keys)
    place.write()
    there = read_place(root)
    assert there is not None
    assert there[0] == pair.key.public_key


def test_joining_anew_forgets_all_keys_of_before(root: Path) -> None:
    place = Place(root)
    place.keyring.prepare(new, identity=True)
    anew = place.keyring.current.renewed(new)
    anew.replace_files()
    assert [pair.keys for pair in place.again().pairs] == [anew.keys]


@pytest.mark.parametrize("content", [b"", b"{}x", b"[1]", b'[{"identity": "AA=="}]', b"\xff"])
def test_a_file_without_keys_is_named_and_nothing_is_made_of_it(root: Path, content: bytes) -> None:
    place = Place(root)
    (place.folder / SPARE_KEYS).write_bytes(content)
    with pytest.raises((StoreDamagedError, HostError), match="holds no keys"):
        place.again()
