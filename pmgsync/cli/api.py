"""The handlers behind the local API: which call is answered by what. The socket itself is
`wire/control.py`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pmgsync.cli import orphaned, rotating, versions
from pmgsync.cli.node import Node
from pmgsync.errors import MalformedError, OperatorError, UsageError
from pmgsync.model.changeset import Position
from pmgsync.model.keys import PublicKey

if TYPE_CHECKING:
    from pmgsync.cli.petitioning import Asking

Answer = tuple[int, Mapping[str, Any]]
OK = 200
DEFAULT_WAIT_MS = 30_000
MOST_LINES = 1000


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the groups of its path, its query and body, and the connection that it came on."""

    groups: tuple[str, ...]
    query: Mapping[str, str]
    body: Mapping[str, Any]
    connection: int

    def text(self, name: str) -> str | None:
        """The member `name` of the body, if it is there."""
        value = self.body.get(name)
        if value is None or isinstance(value, str):
            return value
        raise UsageError("is not text", where=name)

    def required(self, name: str) -> str:
        """The member `name` of the body, which must be there."""
        value = self.text(name)
        if not value:
            raise UsageError("is missing", where=name)
        return value

    def flag(self, name: str) -> bool:
        """The member `name` of the body, or of the query (`1`); false if it is not there."""
        return self.body.get(name) is True or self.query.get(name) == "1"

    def number(self, name: str, otherwise: int | None = None, *, most: int = 2**53) -> int:
        """The member `name` of the query or body, from 0 to `most`."""
        value = self.query.get(name, self.body.get(name, otherwise))
        if isinstance(value, str) and value.isascii() and value.isdecimal():
            value = int(value[:17])
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= most:
            raise UsageError(f"is not a number within 0..{most}", where=name)
        return value


class Api:
    """Answers for one node (`wire.control.ControlHandler`)."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._asking: Asking | None = None
        self._routes: tuple[
            tuple[str, re.Pattern[str], Callable[[Call], Awaitable[Mapping[str, Any]]]], ...
        ] = (
            ("GET", re.compile(r"/v1/status"), self._status),
            ("GET", re.compile(r"/v1/log"), self._log),
            ("GET", re.compile(r"/v1/versions/([0-9]{1,15})"), self._version),
            ("GET", re.compile(r"/v1/wait"), self._wait),
            ("GET", re.compile(r"/v1/kept"), self._kept),
            ("GET", re.compile(r"/v1/kept/([0-9]{1,15})"), self._kept_content),
            ("POST", re.compile(r"/v1/kept/clear"), self._clear_kept),
            ("GET", re.compile(r"/v1/orphans"), self._orphans),
            ("GET", re.compile(r"/v1/orphans/([0-9]{1,15})"), self._orphan),
            ("GET", re.compile(r"/v1/orphans/([0-9]{1,15})/content"), self._orphan_content),
            ("POST", re.compile(r"/v1/orphans/clear"), self._clear_orphans),
            ("POST", re.compile(r"/v1/create"), self._create),
            ("GET", re.compile(r"/v1/tokens"), self._list_tokens),
            ("POST", re.compile(r"/v1/tokens"), self._tokens),
            ("POST", re.compile(r"/v1/tokens/revoke"), self._revoke_token),
            ("POST", re.compile(r"/v1/join"), self._join),
            ("POST", re.compile(r"/v1/join/request"), self._request_join),
            ("POST", re.compile(r"/v1/join/confirm"), self._confirm_master),
            ("GET", re.compile(r"/v1/join/request"), self._await_join),
            ("GET", re.compile(r"/v1/requests"), self._requests),
            ("POST", re.compile(r"/v1/approve"), self._approve),
            ("POST", re.compile(r"/v1/refuse"), self._refuse),
            ("GET", re.compile(r"/v1/members"), self._members),
            ("POST", re.compile(r"/v1/delete"), self._delete),
            ("POST", re.compile(r"/v1/leave"), self._leave),
            ("GET", re.compile(r"/v1/promotion"), self._promotion),
            ("POST", re.compile(r"/v1/promote"), self._promote),
            ("POST", re.compile(r"/v1/switchover"), self._switchover),
            ("POST", re.compile(r"/v1/newcluster"), self._new_cluster),
            ("GET", re.compile(r"/v1/keys"), self._keys),
            ("POST", re.compile(r"/v1/keys"), self._rotate_keys),
            ("POST", re.compile(r"/v1/keys/recovery"), self._replace_recovery),
            ("POST", re.compile(r"/v1/hold"), self._hold),
            ("POST", re.compile(r"/v1/release"), self._release),
            ("POST", re.compile(r"/v1/confirm"), self._confirm),
        )

    async def handle(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Mapping[str, Any],
        connection: int,
    ) -> Answer:
        """See `ControlHandler`."""
        for verb, pattern, answer in self._routes:
            match = pattern.fullmatch(path)
            if match is not None and verb == method:
                return OK, await answer(Call(match.groups(), query, body, connection))
        raise UsageError("there is no such call", where=f"{method} {path}"[:200])

    async def closed(self, connection: int) -> None:
        """See `ControlHandler`: what lived on this connection ends with it, a hold or a request to
        join.
        """
        if self._asking is not None and self._asking.connection == connection:
            asking, self._asking = self._asking, None
            await asking.withdraw()
        await self._node.connection_closed(connection)

    async def _status(self, call: Call) -> Mapping[str, Any]:
        return (await self._node.status(fresh=call.flag("fresh"))).to_json()

    async def _log(self, call: Call) -> Mapping[str, Any]:
        before = call.number("before") if "before" in call.query else None
        return self._node.log(most=call.number("most", 20, most=MOST_LINES), before=before)

    async def _version(self, call: Call) -> Mapping[str, Any]:
        version, with_diff = int(call.groups[0]), call.flag("diff")
        # Comparing large files takes its time, and the loop has heartbeats to send.
        shown = await asyncio.to_thread(self._node.show, version, with_diff=with_diff)
        return shown.to_json()

    async def _wait(self, call: Call) -> Mapping[str, Any]:
        timeout = call.number("timeout_ms", DEFAULT_WAIT_MS, most=3_600_000)
        return (await self._node.wait(call.number("version"), timeout / 1000)).to_json()

    async def _kept(self, _call: Call) -> Mapping[str, Any]:
        return {"kept": versions.kept(self._node.parts.store)}

    async def _kept_content(self, call: Call) -> Mapping[str, Any]:
        return versions.kept_content(self._node.parts.store, int(call.groups[0]))

    async def _clear_kept(self, _call: Call) -> Mapping[str, Any]:
        return {"forgotten": self._node.parts.store.clear_keepsakes()}

    async def _orphans(self, _call: Call) -> Mapping[str, Any]:
        return orphaned.all_of(self._node.parts.store, self._node.agent)

    async def _orphan(self, call: Call) -> Mapping[str, Any]:
        store, number, with_diff = self._node.parts.store, int(call.groups[0]), call.flag("diff")
        shown = await asyncio.to_thread(orphaned.show, store, number, with_diff=with_diff)
        return shown.to_json()

    async def _orphan_content(self, call: Call) -> Mapping[str, Any]:
        path = call.query.get("file", "")
        return orphaned.content(self._node.parts.store, int(call.groups[0]), path)

    async def _clear_orphans(self, _call: Call) -> Mapping[str, Any]:
        return orphaned.clear(self._node.parts.store, self._node.agent)

    async def _create(self, call: Call) -> Mapping[str, Any]:
        # Once in the life of a node; the keys' code need not stay in memory of all others.
        from pmgsync.cli.entering import create

        return await create(self._node, call.text("name"), call.text("address"))

    async def _tokens(self, _call: Call) -> Mapping[str, Any]:
        return self._node.require_master().new_token()

    async def _list_tokens(self, _call: Call) -> Mapping[str, Any]:
        return self._node.require_master().list_tokens()

    async def _revoke_token(self, call: Call) -> Mapping[str, Any]:
        return self._node.require_master().revoke_token(call.required("token"))

    async def _join(self, call: Call) -> Mapping[str, Any]:
        from pmgsync.cli.entering import join

        return await join(
            self._node, call.required("address"), call.required("token"), call.text("name")
        )

    async def _request_join(self, call: Call) -> Mapping[str, Any]:
        from pmgsync.cli.petitioning import Asking

        if self._asking is not None and not self._asking.over:
            raise OperatorError("a request to join waits already", mend="end that command first")
        address, name = call.required("address"), call.text("name")
        self._asking = await Asking.begin(self._node, address, name, call.connection)
        return self._asking.document

    async def _confirm_master(self, call: Call) -> Mapping[str, Any]:
        return await self._own_asking(call).confirm(call.required("fingerprint"))

    async def _await_join(self, call: Call) -> Mapping[str, Any]:
        return await self._own_asking(call).outcome()

    def _own_asking(self, call: Call) -> Asking:
        if self._asking is None or self._asking.connection != call.connection:
            raise OperatorError("no request to join waits on this connection")
        return self._asking

    async def _requests(self, _call: Call) -> Mapping[str, Any]:
        return self._node.require_master().requests()

    async def _approve(self, call: Call) -> Mapping[str, Any]:
        master = self._node.require_master()
        return master.approve(call.required("name"), call.required("fingerprint"))

    async def _refuse(self, call: Call) -> Mapping[str, Any]:
        return self._node.require_master().refuse(call.required("name"))

    async def _members(self, _call: Call) -> Mapping[str, Any]:
        from pmgsync.cli.membership import members_document

        history = self._node.history
        # A long chain takes its time to read, and the loop has heartbeats to send.
        return await asyncio.to_thread(members_document, history.chain)

    async def _delete(self, call: Call) -> Mapping[str, Any]:
        # Only a master can do it: others need not carry its code.
        self._node.require_master()
        from pmgsync.cli.deleting import delete

        return await delete(self._node, call.required("member"))

    async def _leave(self, _call: Call) -> Mapping[str, Any]:
        from pmgsync.cli.leaving import leave

        return await leave(self._node)

    async def _promotion(self, call: Call) -> Mapping[str, Any]:
        # As above: rare, and its code need not stay in memory.
        from pmgsync.cli.promoting import prospect

        keys = call.query.get("recovery", "").split(",")
        keys = [key for key in keys if key]
        return await prospect(self._node, keys, _without(call), anew=call.flag("anew"))

    async def _promote(self, call: Call) -> Mapping[str, Any]:
        from pmgsync.cli.promoting import promote

        return await promote(self._node, call.text("recovery_key"), _without(call))

    async def _new_cluster(self, _call: Call) -> Mapping[str, Any]:
        from pmgsync.cli.promoting import found_anew

        return await found_anew(self._node)

    async def _switchover(self, call: Call) -> Mapping[str, Any]:
        from pmgsync.cli.promoting import switchover

        return await switchover(self._node, call.required("name"))

    async def _keys(self, _call: Call) -> Mapping[str, Any]:
        return rotating.prospect(self._node)

    async def _rotate_keys(self, call: Call) -> Mapping[str, Any]:
        return await rotating.rotate_keys(self._node, identity=not call.flag("tls"))

    async def _replace_recovery(self, call: Call) -> Mapping[str, Any]:
        key = PublicKey.from_text(call.required("recovery"))
        return await rotating.replace_recovery(self._node, key)

    async def _hold(self, call: Call) -> Mapping[str, Any]:
        session = call.connection if call.flag("session") else None
        return self._node.hold(call.text("message") or "", session)

    async def _release(self, call: Call) -> Mapping[str, Any]:
        return (await self._node.release(call.text("message") or "", call.connection)).to_json()

    async def _confirm(self, call: Call) -> Mapping[str, Any]:
        return (await self._node.confirm(call.number("version"))).to_json()


def _without(call: Call) -> Position | None:
    """The version that is named as `without`; None where none is."""
    text = call.query.get("without") or call.text("without")
    try:
        return Position.parse(text) if text else None
    except MalformedError as error:
        raise UsageError(error.what, where=f"without: {text}") from None
