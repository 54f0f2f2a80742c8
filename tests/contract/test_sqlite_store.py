"""What only a real database can suffer: damage, other files in its place, threads, power cuts."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pmgsync.errors import StoreDamagedError, StoreError
from pmgsync.host.store import SqliteStore
from pmgsync.model.changeset import NOWHERE, Position
from pmgsync.model.manifest import digest_of
from pmgsync.ports import Intent
from tests.contract.conftest import needs_root
from tests.sim.versions import Author

DOMAINS = "etc/pmg/domains"
MIB = 1 << 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pmgsync" / "store.db"


def filled(path: Path, versions: int = 8) -> Author:
    """A database with a history, closed in good order."""
    author = Author()
    with closing(SqliteStore(path)) as store:
        for n in range(versions):
            files = {DOMAINS: b"example%d.com\n" % n, f"etc/pmg/acme/{n % 3}": b"%d" % n * 3000}
            record = author.edit(dict(files), f"edit {n}")
            store.append(record, author.contents_of(record))
        intent = Intent(NOWHERE, author.position, ())
        store.begin(intent, [], {})
        store.finish(intent)
        store.keep(DOMAINS, b"mine", "overwritten", 1)
        store.write_note("hold", {"by": "an admin"})
    return author


def test_everything_is_private_from_the_first_moment(path: Path) -> None:
    before = os.umask(0o000)
    try:
        with closing(SqliteStore(path)) as store:
            store.write_note("a", 1)
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_it_is_all_there_after_closing(path: Path) -> None:
    author = filled(path)
    with closing(SqliteStore(path)) as store:
        assert [store.manifest_at(v) for v in range(9)] == author.states
        assert store.active().manifest == author.states[-1]
        assert store.note("hold") == {"by": "an admin"}
    assert [file.name for file in path.parent.iterdir()] == ["store.db"]


def test_a_closed_store_is_wrong_use_and_no_damage(path: Path) -> None:
    store = SqliteStore(path)
    store.close()
    with pytest.raises(RuntimeError, match="closed"):
        store.note("a")


@pytest.mark.parametrize(
    "content",
    [b"not a database at all", b"SQLite format 3\0" + b"\xff" * 5000, os.urandom(8192)],
    ids=["text", "header", "noise"],
)
def test_a_file_that_is_no_database_is_named_with_the_mend(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(StoreDamagedError) as caught:
        SqliteStore(path)
    assert caught.value.where == str(path)
    assert caught.value.mend == (
        f"stop pmgsyncd, move {path} away and start it again: the node resyncs by itself"
    )
    assert not caught.value.retryable
    assert path.read_bytes() == content


def test_another_programs_database_is_refused_and_not_touched(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("create table theirs (x)")
        other.commit()
    with pytest.raises(StoreDamagedError, match="not a pmgsync database of version 3"):
        SqliteStore(path)
    with closing(sqlite3.connect(path)) as other:
        other.execute("pragma user_version = 99")
        assert other.execute("select count(*) from theirs").fetchone() == (0,)


def test_a_newer_schema_is_refused(path: Path) -> None:
    filled(path, 1)
    with closing(sqlite3.connect(path)) as other:
        other.execute("pragma user_version = 4")
    with pytest.raises(StoreDamagedError, match="version 3"):
        SqliteStore(path)


def test_an_empty_file_is_a_crash_while_it_was_made(path: Path) -> None:
    path.parent.mkdir(mode=0o700)
    path.touch(mode=0o600)
    with closing(SqliteStore(path)) as store:
        assert store.head()[0].position == NOWHERE


@needs_root
def test_a_place_that_cannot_be_written_is_no_damage(small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(StoreError) as caught:
        SqliteStore(small_disk / "pmgsync" / "store.db")
    assert not isinstance(caught.value, StoreDamagedError)
    assert "read-only" in str(caught.value)


# --- damage --------------------------------------------------------------------------------------

Answers = dict[str, Any]


def ask(store: SqliteStore, author: Author) -> Answers:
    """All that can be asked. Each answer is a value or an error, and no other error than these."""
    answers: Answers = {}

    def note(name: str, question: Callable[[], object]) -> None:
        try:
            answers[name] = question()
        except StoreError as error:
            answers[name] = error

    note("head", store.head)
    note("active", store.active)
    note("pending", store.pending)
    note("after", lambda: list(store.after(0)))
    note("lines", lambda: list(store.lines(most=99)))
    for version in range(author.version + 1):
        note(f"state {version}", partial(store.manifest_at, version))
        note(f"record {version}", partial(store.record, version))
    for digest in author.contents:
        note(f"content {digest}", partial(store.content, digest))
    return answers


def untrue(answers: Answers, truth: Answers) -> list[str]:
    """The wrong answers. A row that is gone is as if pruned: there is less, and it is true."""
    given = {name: a for name, a in answers.items() if not isinstance(a, StoreError)}
    wrong = []
    for name, answer in given.items():
        if name == "after":
            right = answer == truth[name][: len(answer)]
        elif name == "lines":
            right = set(answer) <= set(truth[name])
        else:
            right = answer == truth[name] or (answer is None and name.startswith("record"))
        wrong += [] if right else [name]
    return wrong


def ask_damaged(path: Path, author: Author) -> Answers:
    try:
        store = SqliteStore(path)
    except StoreError as error:
        return {"open": error}
    with closing(store):
        return ask(store, author)


def test_damage_anywhere_is_an_error_and_never_a_wrong_answer(path: Path) -> None:
    author = filled(path)
    sound, truth = path.read_bytes(), ask_damaged(path, author)
    assert not any(isinstance(answer, StoreError) for answer in truth.values())
    chance = random.Random(42)
    noticed = 0
    for round_ in range(250):
        damaged = bytearray(sound)
        start = chance.randrange(len(damaged))
        for at in range(start, min(len(damaged), start + chance.choice([1, 1, 8, 512]))):
            damaged[at] ^= chance.randrange(1, 256)
        path.write_bytes(damaged)
        answers = ask_damaged(path, author)
        assert untrue(answers, truth) == [], f"round {round_}, byte {start}"
        noticed += any(isinstance(answer, StoreDamagedError) for answer in answers.values())
    assert noticed > 50  # the damage was real


def test_a_file_cut_short_is_damage(path: Path) -> None:
    author = filled(path)
    sound, truth = path.read_bytes(), ask_damaged(path, author)
    for size in range(100, len(sound), 3001):
        path.write_bytes(sound[:size])
        answers = ask_damaged(path, author)
        assert untrue(answers, truth) == [], f"cut at {size}"
        assert any(isinstance(answer, StoreDamagedError) for answer in answers.values())


def test_a_log_cut_at_any_place_is_a_state_that_was(tmp_path: Path, path: Path) -> None:
    """A power cut tears the write-ahead log; what was acknowledged before the tear is there."""
    author = Author()
    sizes = []
    store = SqliteStore(path)
    log = path.with_name("store.db-wal")
    for n in range(6):
        record = author.edit({DOMAINS: b"%d" % n})
        store.append(record, author.contents_of(record))
        sizes.append(log.stat().st_size)
    database, written = path.read_bytes(), log.read_bytes()
    store.close()
    torn = tmp_path / "torn" / "store.db"
    torn.parent.mkdir()
    for cut in [*range(sizes[0], len(written), 977), len(written)]:
        torn.write_bytes(database)
        torn.with_name("store.db-wal").write_bytes(written[:cut])
        with closing(SqliteStore(torn)) as after:
            head, _ = after.head()
        assert head.manifest == author.states[head.position.version]
        assert head.position.version >= sum(size <= cut for size in sizes)


def test_a_crash_at_any_moment_of_its_making_leaves_one_that_opens(
    tmp_path: Path, path: Path
) -> None:
    with closing(SqliteStore(path)):
        database, log = path.read_bytes(), path.with_name("store.db-wal").read_bytes()
    torn = tmp_path / "torn" / "store.db"
    torn.parent.mkdir()
    for cut in [0, 31, *range(32, 32 + 40 * 4120, 4120 // 4)]:
        torn.write_bytes(database[:4096])
        torn.with_name("store.db-wal").write_bytes(log[:cut])
        with closing(SqliteStore(torn)) as store:
            assert store.head()[0].position == NOWHERE


# --- power cuts ----------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
from pmgsync.host.store import SqliteStore
from pmgsync.model.changeset import NOWHERE, Position
from pmgsync.ports import Intent
from tests.sim.versions import Author
store, author = SqliteStore(Path(sys.argv[1])), Author()
before = NOWHERE
for n in range(100000):
    record = author.edit({"etc/pmg/domains": b"%d" % n, f"etc/pmg/acme/{n % 7}": b"x" * n})
    intent = Intent(before, author.position, ())
    store.begin(intent, [record], author.contents_of(record))
    store.finish(intent)
    before = author.position
    print(n + 1, flush=True)
"""


def test_what_was_acknowledged_survives_the_death_of_the_process(path: Path) -> None:
    chance = random.Random(1)
    for _ in range(5):
        shutil.rmtree(path.parent, ignore_errors=True)
        command = [sys.executable, "-c", WRITER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for _ in range(chance.randrange(1, 60)):
                acknowledged = int(writer.stdout.readline())
            writer.kill()
            acknowledged = max([acknowledged, *map(int, writer.stdout.read().split("\n")[:-1])])
        with closing(SqliteStore(path)) as store:
            assert store.active().position.version >= acknowledged
            pending = store.pending()
            if pending is not None:
                store.abandon(pending)
            assert store.head()[0] == store.active()


# --- size, threads -------------------------------------------------------------------------------


def test_a_content_of_legal_size_is_kept(path: Path) -> None:
    data = b"\0" * (128 * MIB)
    digest = digest_of(data)
    with closing(SqliteStore(path)) as store:
        store.add_contents({digest: data})
        assert store.content(digest) == data
        store.write_note("then", "the log is given back")
    with closing(SqliteStore(path)) as store:
        assert store.missing([digest]) == frozenset()


def test_several_threads_take_turns(path: Path) -> None:
    author = Author()
    records = [author.edit({DOMAINS: b"%d" % n}) for n in range(60)]

    def publish(store: SqliteStore) -> None:
        for record in records:
            store.append(record, author.contents_of(record))

    def look(store: SqliteStore) -> None:
        while store.head()[0].position != Position(1, 60):
            head, _ = store.head()
            assert head.manifest == author.states[head.position.version]
            store.lines(most=3)

    def scribble(store: SqliteStore) -> None:
        for n in range(60):
            store.write_note("n", n)
            store.keep(DOMAINS, b"%d" % n, "test", n)

    with closing(SqliteStore(path)) as store, ThreadPoolExecutor(3) as threads:
        for done in [threads.submit(act, store) for act in (publish, look, scribble)]:
            done.result(timeout=30)
        assert (store.note("n"), len(store.keepsakes())) == (59, 60)


# --- the log -------------------------------------------------------------------------------------


def test_a_long_log_is_written_back_beside_what_goes_on(path: Path) -> None:
    log = path.with_name(f"{path.name}-wal")
    with closing(SqliteStore(path)) as store:
        assert not store.log_is_long
        big = {digest_of(data): data for data in (bytes([n]) * (1 << 20) for n in range(5))}
        store.add_contents(big)
        assert store.log_is_long
        before = path.stat().st_size
        writing = threading.Thread(target=lambda: store.write_note("a", "meanwhile"))
        writing.start()
        store.write_back()
        writing.join()
        assert path.stat().st_size > before + (5 << 20)
        assert not store.log_is_long
        assert store.note("a") == "meanwhile"
        long = log.stat().st_size
        for number in range(50):  # the log begins anew instead of growing
            store.write_note("a", number)
        assert log.stat().st_size == long
        assert store.missing(big) == frozenset()


def test_a_log_that_cannot_be_written_back_is_a_store_error(path: Path) -> None:
    with closing(SqliteStore(path)) as store:
        store.write_note("a", 1)
        path.rename(path.with_suffix(".away"))
        path.mkdir()
        with pytest.raises(StoreError):
            store.write_back()
        path.rmdir()
        path.with_suffix(".away").rename(path)
        store.write_back()
        assert store.note("a") == 1


def test_what_was_written_ahead_waits_for_the_disk_once(path: Path) -> None:
    """Durable when it is written ahead; the append that follows has nothing to wait for."""
    author, said = Author(), list[str]()
    with closing(SqliteStore(path)) as store:
        store._database.set_trace_callback(said.append)
        drafted, other = author.edit({DOMAINS: b"a"}), author.edit({DOMAINS: b"b"})
        store.write_ahead(drafted, author.contents_of(drafted))
        assert not _relaxed(said)
        store.append(drafted, author.contents_of(drafted))
        assert _relaxed(said)
        said.clear()
        store.append(other, author.contents_of(other))
        assert not _relaxed(said)


def test_what_is_withdrawn_for_good_waits_for_the_disk(path: Path) -> None:
    """Also where it was withdrawn before, without waiting: a commit of nothing waits for none."""
    author, said = Author(), list[str]()
    wal = path.with_name(path.name + "-wal")
    with closing(SqliteStore(path)) as store:
        store._database.set_trace_callback(said.append)
        drafted = author.edit({DOMAINS: b"a"})
        store.write_ahead(drafted, author.contents_of(drafted))
        store.withdraw()
        assert _relaxed(said)
        said.clear()
        before = wal.read_bytes()
        store.withdraw(durable=True)
        assert not _relaxed(said)
        assert wal.read_bytes() != before


def _relaxed(said: list[str]) -> bool:
    """Was there a commit that does not wait?"""
    modes = [line for line in said if "synchronous" in line or line.lower() == "commit"]
    before = dict(zip(modes[1:], modes, strict=False))
    return "normal" in before.get("commit", "")
