"""What a node does now and then, whatever its roles: small duties once a second, and old versions
are forgotten once in an hour.
"""

from __future__ import annotations

import gc
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from pmgsync.errors import HostError, StoreError
from pmgsync.host.memory import give_back

if TYPE_CHECKING:
    from pmgsync.cli.node import Node
    from pmgsync.cli.peering import Peering

log = logging.getLogger(__name__)

PRUNE_EVERY_S = 3600.0
GIVE_BACK_AFTER_S = 2.0
SECOND = 1.0


async def every_second(node: Node, peering: Peering) -> None:
    """Small duties in one loop: each wake-up is what an idle daemon costs."""
    said = ""
    while True:
        if said != node.status_line:
            said = node.status_line
            node.on_status(said)
        if node.parts.store.log_is_long:
            await _write_back(node)
        if node.writing.trouble:
            with suppress(HostError):  # said by `status`
                node.require_agent().save_chain()
        peering.take_turns()
        await node.parts.clock.sleep(SECOND)


async def _write_back(node: Node) -> None:
    try:
        await node.parts.run_blocking(node.parts.store.write_back)
    except StoreError as error:
        log.warning("the database's log is not written back now: %s", error)


async def prune_now_and_then(node: Node) -> None:
    """Forget versions that are older than the settings want, and give back the memory that this,
    and taking up the roles, has used.
    """
    while True:
        try:
            await node.parts.run_blocking(lambda: _prune(node))
        except StoreError as error:
            log.warning("the history is not pruned now: %s", error)
        await node.parts.clock.sleep(GIVE_BACK_AFTER_S)
        gc.collect()
        give_back()
        await node.parts.clock.sleep(PRUNE_EVERY_S)


def _prune(node: Node) -> None:
    if forgotten := node.parts.store.prune(node.settings.history.versions):
        log.info("forgot %d old versions", forgotten)
