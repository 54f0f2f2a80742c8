"""What the daemon's loop does with errors that nobody waits for."""

import asyncio
import logging

import pytest

from pmgsync.cli.daemon import on_unheard_error


class ExecuteBatchError(Exception):
    """Has the name of grpc's."""


@pytest.mark.parametrize(
    ("error", "is_told"), [(ExecuteBatchError("x"), False), (ValueError("x"), True)]
)
def test_only_what_grpc_leaves_behind_is_not_told(
    error: Exception, is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    loop = asyncio.new_event_loop()
    on_unheard_error(loop, {"message": "never retrieved", "exception": error})
    loop.close()
    assert ("never retrieved" in caplog.text) == is_told
