"""The table of the files that pmgsync understands."""

import pytest

from pmgsync.model.scope import Kind, rule_for
from pmgsync.pmgconf.registry import REGISTRY


@pytest.mark.parametrize("path", REGISTRY)
def test_every_file_is_in_scope(path: str) -> None:
    rule = rule_for(path)
    assert rule is not None
    assert rule.kind in (Kind.LIST, Kind.SECTIONS, Kind.ACCOUNTS, Kind.RULES)


@pytest.mark.parametrize("path", REGISTRY)
def test_a_file_that_is_missing_is_an_empty_one(path: str) -> None:
    parsed = REGISTRY[path].parse(b"")
    assert (parsed.findings, parsed.unread, parsed.unkept) == ((), (), ())
    always = {"etc/pmg/user.conf": ["root@pam"], "etc/pmg/realms.conf": ["pam", "pmg"]}
    assert list(parsed.entries) == always.get(path, [])


@pytest.mark.parametrize("path", REGISTRY)
def test_what_is_read_is_written_by_the_same_row(path: str) -> None:
    kind = REGISTRY[path]
    written = kind.dump(kind.parse(b""))
    assert kind.dump(kind.parse(written)) == written
