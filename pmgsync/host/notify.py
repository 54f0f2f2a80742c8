"""Tells systemd how the daemon is: the datagrams of `sd_notify(3)`.

Says nothing where systemd did not ask (no `NOTIFY_SOCKET`), and never fails: a message that systemd
does not take is not worth a mail server's configuration. The variables stay in our environment:
programs that we start get one of their own (`process.py`) without them, and systemd listens to the
main process only.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

from pmgsync.ports import Clock


class Notifier:
    """The line to systemd, as the environment describes it."""

    def __init__(self, environment: Mapping[str, str], clock: Clock) -> None:
        """`environment`: that of the daemon's process."""
        self._address = _address_of(environment.get("NOTIFY_SOCKET", ""))
        self._watchdog_s = _watchdog_of(environment)
        self._clock = clock

    def ready(self, status: str = "") -> None:
        """Recovered, listening, and (after `reloading`) reloaded."""
        self._send("READY=1", _status_line(status))

    def status(self, text: str) -> None:
        """What `systemctl status` shows."""
        self._send(_status_line(text))

    def watchdog(self) -> None:
        """Still going; to be said from the main loop, every `watchdog_interval_s`."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The clean stop began."""
        self._send("STOPPING=1")

    def reloading(self) -> None:
        """Settings are read anew; `ready` ends it. systemd wants to know when it began."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic() * 1_000_000)}")

    def watchdog_interval_s(self) -> float | None:
        """How often to say `watchdog`: half of what systemd allows. None: it does not watch us."""
        return self._watchdog_s

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        message = "\n".join(line for line in lines if line).encode("utf-8", "replace")
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.setblocking(False)  # a busy systemd must not stop the loop
            line.sendto(message, self._address)


def _address_of(text: str) -> str | None:
    """The socket's address: a path, or `@NAME` for an abstract one."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else None


def _watchdog_of(environment: Mapping[str, str]) -> float | None:
    if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None  # meant for a process that started us
    allowed = environment.get("WATCHDOG_USEC", "")
    return int(allowed) / 2_000_000 if allowed.isdecimal() and int(allowed) else None


def _status_line(text: str) -> str:
    return f"STATUS={' '.join(text.split())}" if text else ""
