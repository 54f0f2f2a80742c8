"""The master's signed word that a key is no member's any more."""

from dataclasses import replace

import pytest

from pmgsync.errors import (
    BadSignatureError,
    MalformedError,
    PeerError,
    StaleError,
    WrongClusterError,
)
from pmgsync.model.envelope import seal
from pmgsync.model.membership import remove
from pmgsync.model.removal import (
    MAX_REMOVAL_BYTES,
    REMOVAL_TYPE,
    Removal,
    accept_removal,
    removal_notice,
)
from tests.unit.model.sample import MASTER, NODE, STRANGER, genesis, seal_membership

BEFORE = genesis()
AFTER = remove(BEFORE, seal_membership(BEFORE), 2)
NOTICE = removal_notice(AFTER, NODE.public_key, MASTER)


def test_the_master_proves_a_removal() -> None:
    removal = accept_removal(NOTICE, BEFORE, NODE.public_key)
    assert removal == Removal(BEFORE.cluster, 1, 2, NODE.public_key.key_id)
    assert Removal.from_bytes(removal.to_bytes()) == removal
    assert len(NOTICE) < MAX_REMOVAL_BYTES


def test_who_has_heard_of_the_link_already_believes_the_notice_too() -> None:
    assert accept_removal(NOTICE, AFTER, NODE.public_key).serial == 2


@pytest.mark.parametrize(
    ("notice", "error"),
    [
        (removal_notice(AFTER, NODE.public_key, STRANGER), BadSignatureError),
        (removal_notice(AFTER, NODE.public_key, NODE), BadSignatureError),
        (removal_notice(AFTER, STRANGER.public_key, MASTER), BadSignatureError),
        (
            removal_notice(replace(AFTER, cluster="other"), NODE.public_key, MASTER),
            WrongClusterError,
        ),
        (removal_notice(BEFORE, NODE.public_key, MASTER), StaleError),
        (seal("another/type", AFTER.to_bytes(), MASTER).to_bytes(), MalformedError),
        (seal(REMOVAL_TYPE, AFTER.to_bytes(), MASTER).to_bytes(), MalformedError),
        (seal(REMOVAL_TYPE, b"{" * 5000, MASTER).to_bytes(), MalformedError),
        (b"", MalformedError),
        (b"\xff\xfe", MalformedError),
        (NOTICE[:-1], MalformedError),
        (NOTICE.replace(b'"sig":"', b'"sig":"A', 1), PeerError),
    ],
)
def test_anything_else_proves_nothing(notice: bytes, error: type[PeerError]) -> None:
    with pytest.raises(error):
        accept_removal(notice, BEFORE, NODE.public_key)
