"""What `log`, `show`, `status` and `kept` make of a node's own database."""

import base64

import pytest

from pmgsync.cli import versions
from pmgsync.errors import OperatorError
from pmgsync.ports import Store
from tests.sim.store import MemoryStore
from tests.sim.versions import Author

NOW = 1_700_000_000_000
DOMAINS, KEY = "etc/pmg/domains", "etc/pmg/dkim/s1.private"


def store_of(author: Author) -> Store:
    """A store with all versions of the author."""
    store = MemoryStore()
    for record in author.records:
        store.append(record, author.contents)
    return store


@pytest.fixture
def author() -> Author:
    author = Author()
    author.edit({DOMAINS: b"example.com 1\n"}, "the first")
    author.edit({DOMAINS: b"example.com 1\nmore.example 1\n", KEY: b"SECRET\n"}, "the second")
    author.edit({KEY: None})
    return author


def test_the_log_lists_the_newest_first_and_as_many_as_asked_for(author: Author) -> None:
    store = store_of(author)
    rows = versions.lines(store, most=2, before=None)
    assert [(row["version"], row["puts"], row["deletes"]) for row in rows] == [(3, 0, 1), (2, 2, 0)]
    older = versions.lines(store, most=20, before=2)
    assert [(row["version"], row["message"]) for row in older] == [(1, "the first")]


def test_a_version_shows_what_became_of_each_file(author: Author) -> None:
    store = store_of(author)
    second = versions.show(store, 2, with_diff=False)
    assert [(file.path, file.change) for file in second.files] == [
        (KEY, "added"),
        (DOMAINS, "changed"),
    ]
    domains = second.files[1]
    assert (domains.old_size, domains.size, domains.mode) == (14, 29, 0o644)
    assert domains.diff is None
    third = versions.show(store, 3, with_diff=False)
    assert [(file.path, file.change, file.size) for file in third.files] == [(KEY, "deleted", 0)]
    assert (third.parent, third.version) == (second.result, 3)


def test_a_diff_shows_lines_and_no_secret(author: Author) -> None:
    key, domains = versions.show(store_of(author), 2, with_diff=True).files
    assert domains.diff is not None
    assert "+more.example 1" in domains.diff
    assert "SECRET" not in (key.diff or "")
    assert (key.secret, domains.secret) == (True, False)


def test_a_version_that_is_not_here_is_named(author: Author) -> None:
    with pytest.raises(OperatorError, match="is not in this node's log") as caught:
        versions.show(store_of(author), 4, with_diff=False)
    assert caught.value.where == "version 4"


def test_what_is_kept_is_listed_and_handed_out() -> None:
    store = MemoryStore()
    store.keep(DOMAINS, b"edited\n", "edited on this node", NOW)
    store.keep(KEY, None, "deleted on this node", NOW + 1)
    rows = versions.kept(store)
    assert [(row["path"], row["size"]) for row in rows] == [(KEY, None), (DOMAINS, 7)]
    content = versions.kept_content(store, rows[1]["number"])
    assert base64.b64decode(content["content"]) == b"edited\n"
    assert versions.kept_content(store, rows[0]["number"])["content"] is None
    with pytest.raises(OperatorError, match="there is no such file"):
        versions.kept_content(store, 99)


def test_status_names_the_newest_kept_files_and_that_there_are_more() -> None:
    store = MemoryStore()
    assert versions.kept_lines(store) == ()
    for number in range(versions.KEPT_SHOWN + 2):
        store.keep(f"etc/pmg/templates/t{number}", b"x", "added on this node", NOW)
    lines = versions.kept_lines(store)
    assert len(lines) == versions.KEPT_SHOWN + 1
    assert "templates/t4" in lines[0]
    assert "pmgsync kept" in lines[-1]


def test_status_does_not_point_to_entries_without_content() -> None:
    store = MemoryStore()
    store.keep(DOMAINS, b"edited\n", "edited on this node", NOW)
    for number in range(versions.KEPT_SHOWN + 2):
        store.keep(f"etc/pmg/templates/t{number}", None, "deleted on this node", NOW + 1)
    assert versions.kept_lines(store) == (
        f"kept aside: {DOMAINS} (edited on this node); `pmgsync kept` shows it",
    )
