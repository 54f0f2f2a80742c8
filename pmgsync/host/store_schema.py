"""The tables of a node's database, how it is opened, and what SQLite's errors mean.

SQLite has no checksums, so each row carries one over its own values (`sealed`, `unseal`); contents
have their digest, and the rows of a state together have the digest that the signed change set
names. A bit that flipped on the disk is therefore an error and never a wrong answer.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress

from pmgsync.errors import PmgsyncError, StoreDamagedError, StoreError

APPLICATION_ID = 1347241811  # "PMGS", so that `file` and we know the file
SCHEMA_VERSION = 3

Cell = str | int | bytes | None
Row = tuple[Cell, ...]

_TABLES = """
pragma application_id = 1347241811;
pragma user_version = 1;
create table version (
    version integer primary key, epoch integer not null, envelope blob not null,
    created integer not null, message text not null, puts integer not null,
    deletes integer not null, size integer not null, change text not null, seal text not null
) strict;
create table entry ( -- digest null: deleted in this version
    path text not null, version integer not null, digest text, size integer, mode integer,
    ownership text, primary key (path, version)
) strict, without rowid;
create index entry_of_version on entry (version);
create table content (
    number integer primary key, digest text not null unique, data blob not null
) strict;
create table state ( -- one row: newest version, what runs, the activation in progress
    one integer primary key check (one = 1), head integer not null, epoch integer not null,
    active integer not null, intent text not null, added text not null, seal text not null
) strict;
-- contents that nothing needed at the last pruning
create table idle (digest text primary key) strict, without rowid;
create table keepsake (
    number integer primary key autoincrement, path text not null, digest text,
    size integer not null, kept integer not null, reason text not null, seal text not null
) strict;
create view unused as select digest from content
    except select digest from entry except select digest from keepsake;
create table note (name text primary key, value text not null, seal text not null) strict;
"""

# To schema 2: versions of this node that the cluster's history has not.
_ORPHANS = """
begin;
pragma user_version = 2;
create table orphan (
    number integer primary key autoincrement, envelope blob not null, change text not null,
    kept integer not null, seal text not null
) strict;
create table orphan_content (
    number integer not null, digest text not null, primary key (number, digest)
) strict, without rowid;
drop view unused;
create view unused as select digest from content
    except select digest from entry except select digest from keepsake
    except select digest from orphan_content;
commit;
"""

# To schema 3: the version that may be published next, durable before it is certain.
_AHEAD = """
begin;
pragma user_version = 3;
create table ahead (
    one integer primary key check (one = 1), envelope blob not null, seal text not null
) strict;
commit;
"""

_LATER = {1: _ORPHANS, 2: _AHEAD}
"""What makes a database of this schema one of the next."""

_BUSY_TIMEOUT_S = 5.0
# A large content leaves a large log behind; give that space back at the next checkpoint.
_JOURNAL_SIZE_LIMIT = 16 << 20
LOG_BYTES = 4 << 20
"""What the log may hold before it is due to be written back into the database."""
_MOST_LOG_PAGES = 16_384
"""With so many (64 MiB) SQLite does it itself, in the commit that gets there."""

_FULL = {sqlite3.SQLITE_FULL}
_UNABLE = {
    sqlite3.SQLITE_IOERR: ("the disk reports an error", "check the disk"),
    sqlite3.SQLITE_READONLY: ("it cannot be written", "mend its permissions or remount the disk"),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "mend the permissions of its folder"),
    sqlite3.SQLITE_PERM: ("permission denied", "mend its permissions"),
    sqlite3.SQLITE_BUSY: ("another program holds it", "end that program"),
    sqlite3.SQLITE_LOCKED: ("another program holds it", "end that program"),
    sqlite3.SQLITE_TOOBIG: ("a value is too large for it", "make the file smaller"),
    sqlite3.SQLITE_NOMEM: ("out of memory", "free memory; it is retried by itself"),
}


def connect(path: str) -> sqlite3.Connection:
    """Open the database at `path`, making it if it is not there; private from its first moment."""
    folder = os.path.dirname(path)
    with translated(path):
        os.makedirs(folder, mode=0o700, exist_ok=True)
        if _make_private(path):
            os.chmod(folder, 0o700)
        database = sqlite3.connect(
            path, timeout=_BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(database, path)
            _lengthen_log(database, path)
        except BaseException:
            database.close()
            raise
        return database


def _make_private(path: str) -> bool:
    """Make an empty file that only its owner may read; SQLite gives -wal and -shm the same mode.

    False where there is one already.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    return True


def _prepare(database: sqlite3.Connection, path: str) -> None:
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    database.execute("pragma cell_size_check = on")
    database.execute("pragma trusted_schema = off")
    database.execute(f"pragma journal_size_limit = {_JOURNAL_SIZE_LIMIT}")
    database.execute(f"pragma wal_autocheckpoint = {_MOST_LOG_PAGES}")
    if _is_empty(database):
        # One transaction: a crash leaves the whole or nothing.
        database.executescript(f"begin; {_TABLES}")
        empty = (0, 0, 0, "", "[]")
        database.execute("insert into state values (1, ?, ?, ?, ?, ?, ?)", (*empty, seal_of(empty)))
        database.execute("commit")
    application = _pragma(database, "application_id")
    while application == APPLICATION_ID and (_pragma(database, "user_version") in _LATER):
        database.executescript(_LATER[_pragma(database, "user_version")])
    if (application, _pragma(database, "user_version")) != (APPLICATION_ID, SCHEMA_VERSION):
        raise damaged(path, f"not a pmgsync database of version {SCHEMA_VERSION}")


def _is_empty(database: sqlite3.Connection) -> bool:
    """Has nobody filled it yet? A crash may have come before that: then it is filled now."""
    tables = database.execute("select count(*) from sqlite_master").fetchone()[0]
    return not (tables or _pragma(database, "application_id") or _pragma(database, "user_version"))


def _lengthen_log(database: sqlite3.Connection, path: str) -> None:
    """Give the write-ahead log its working length now.

    A commit into a log that need not grow is one write of data, without any of the file system's
    own bookkeeping. What is rolled back here has been written into the log all the same.
    """
    log = f"{path}-wal"
    if os.path.exists(log) and os.path.getsize(log) >= LOG_BYTES:
        return
    database.execute("begin immediate")
    try:
        database.execute(
            "insert into content (digest, data) values ('', zeroblob(?))", (2 * LOG_BYTES,)
        )
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode not in _FULL:
            raise
        # A full disk: the log grows as it must, when there is room again.
    finally:
        if database.in_transaction:
            database.execute("rollback")
        database.execute("pragma shrink_memory")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"pragma {name}").fetchone()[0])


def write_back(path: str) -> None:
    """Bring what the log of the database at `path` holds into the database, beside whoever uses
    it: nobody waits for this.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as beside:
        beside.execute("pragma synchronous = full")
        beside.execute("pragma wal_checkpoint(passive)").fetchall()


def seal_of(values: Sequence[Cell]) -> str:
    """The checksum of one row."""
    cells = [
        value if isinstance(value, bytes) else repr(value).encode("utf-8", "surrogatepass")
        for value in values
    ]
    text = b"".join([b"%d:%b" % (len(cell), cell) for cell in cells])
    return hashlib.blake2b(text, digest_size=12).hexdigest()


def sealed(*values: Cell) -> Row:
    """A row as it is stored: its values and their checksum."""
    return (*values, seal_of(values))


def unseal(row: Row, what: str) -> Row:
    """The values of a row that `sealed` made; `ValueError` if one was altered."""
    if seal_of(row[:-1]) != row[-1]:
        raise ValueError(f"{what} was altered")
    return row[:-1]


def damaged(path: str, what: str) -> StoreDamagedError:
    """The database cannot be believed; the way out is always the same."""
    return StoreDamagedError(
        f"the database is damaged: {what}",
        where=path,
        mend=f"stop pmgsyncd, move {path} away and start it again: the node resyncs by itself",
    )


@contextmanager
def translated(path: str) -> Iterator[None]:
    """What goes wrong inside, as a `StoreError`; what is found altered, as a `StoreDamagedError`.

    `RuntimeError` (wrong use) and `StoreError`s pass. Nothing but reading, writing and decoding
    rows of the database may happen inside, so whatever else is raised is the database's fault.
    """
    try:
        yield
    except (sqlite3.ProgrammingError, sqlite3.InterfaceError) as error:
        raise RuntimeError(f"the store is closed or used wrongly: {error}") from error
    except sqlite3.Error as error:
        raise _store_error(path, error) from None
    except OSError as error:
        raise StoreError(
            f"the database cannot be opened: {(error.strerror or str(error)).lower()}",
            where=path,
            mend="mend it; it is retried by itself",
        ) from None
    except StoreError:
        raise
    except (PmgsyncError, ValueError, TypeError, LookupError, OverflowError) as error:
        raise damaged(path, str(error)) from None


class Turn:
    """To be entered by one thread at a time, again by the same one as often as it likes. What goes
    wrong inside comes out as from `translated`.

    No generator, as that is: what is entered several times in each change should cost little.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        self._lock.release()
        if error is not None:
            with translated(self._path):
                raise error


def _store_error(path: str, error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if isinstance(code, int) else None
    if primary in _FULL:
        return StoreError(
            "no space left for the database", where=path, mend="free space; it is retried by itself"
        )
    if primary in _UNABLE:
        what, mend = _UNABLE[primary]
        return StoreError(f"the database: {what} ({error})", where=path, mend=mend)
    return damaged(path, str(error))


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """All of what happens inside, durable at the end, or nothing."""
    database.execute("begin immediate")
    try:
        yield
        database.execute("commit")
    except BaseException:
        # After some errors (a full disk) SQLite has rolled back by itself.
        if database.in_transaction:
            with suppress(sqlite3.Error):
                database.execute("rollback")
        raise


def to_text(value: object) -> str:
    """JSON for a text column."""
    return _ENCODER.encode(value)


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
