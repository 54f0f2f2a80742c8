"""A disk that does not take what is to be written down."""

from pathlib import Path

import pytest

from pmgsync.cli.writing_down import WritingDown
from pmgsync.errors import HostError, StoreError
from pmgsync.host.identity import Identity
from tests.sim.author import Author


def test_nothing_counts_that_is_not_written_down_and_the_reason_is_told(tmp_path: Path) -> None:
    identity = Identity.load_or_create(
        tmp_path, lambda: (b"-----BEGIN PRIVATE KEY-----\n", b"-----BEGIN CERTIFICATE-----\n")
    )
    writing, chain = WritingDown(lambda: identity), tuple(Author(2).chain)
    noted: list[int] = []

    def full() -> None:
        raise StoreError("no space left on the disk", where="state.db")

    with pytest.raises(StoreError):
        writing.write(chain, full)
    assert identity.read_chain() == []
    assert "is the master, but cannot be written down here" in writing.trouble
    assert "state.db: no space left on the disk" in writing.trouble
    in_the_way = identity.folder / ".chain.json.new"
    in_the_way.mkdir()
    with pytest.raises(HostError):
        writing.write(chain, lambda: noted.append(1))
    assert "chain.json" in writing.trouble
    in_the_way.rmdir()
    writing.write(chain, lambda: noted.append(2))
    assert writing.trouble == ""
    assert (tuple(identity.read_chain()), noted) == (chain, [1, 2])
    in_the_way.mkdir()
    writing.write(chain, lambda: noted.append(3))
    assert (writing.trouble, noted) == ("", [1, 2, 3])
