"""Owners by name and by number, with what was found remembered.

Only what exists is remembered: an account that is made later is found later.
"""

from __future__ import annotations

import grp
import os
import pwd


class Owners:
    """`owner:group` as text, and what it means on this machine."""

    def __init__(self) -> None:
        self._users: dict[str, int] = {}
        self._groups: dict[str, int] = {}
        self._names: dict[tuple[int, int], str] = {}
        self._found: dict[str, tuple[int, int, str]] = {}
        self._own = None if os.geteuid() == 0 else (os.geteuid(), os.getegid(), "")

    def resolve(self, ownership: str) -> tuple[int, int, str]:
        """User id, group id, and a note where root stands in for one that is missing (else empty).

        Who is not root can give files to nobody: then it is the own ids, without a note.
        """
        if self._own is not None:
            return self._own
        known = self._found.get(ownership)
        if known is not None:
            return known
        user, _, group = ownership.partition(":")
        uid, gid = self._user(user), self._group(group)
        missing = [
            f"{kind} {name!r}"
            for kind, name, found in (("user", user, uid), ("group", group, gid))
            if found is None
        ]
        if not missing:
            self._found[ownership] = (uid or 0, gid or 0, "")
        note = f"no {' and no '.join(missing)} on this machine; root is used" if missing else ""
        return uid or 0, gid or 0, note

    def text(self, uid: int, gid: int) -> str:
        """`owner:group` by name, by number where there is no name."""
        known = self._names.get((uid, gid))
        if known is not None:
            return known
        try:
            named = f"{pwd.getpwuid(uid).pw_name}:{grp.getgrgid(gid).gr_name}"
        except KeyError:
            return f"{uid}:{gid}"
        self._names[uid, gid] = named
        return named

    def _user(self, name: str) -> int | None:
        if name not in self._users:
            try:
                self._users[name] = pwd.getpwnam(name).pw_uid
            except KeyError:
                return None
        return self._users[name]

    def _group(self, name: str) -> int | None:
        if name not in self._groups:
            try:
                self._groups[name] = grp.getgrnam(name).gr_gid
            except KeyError:
                return None
        return self._groups[name]
