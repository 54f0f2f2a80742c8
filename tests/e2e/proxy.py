"""A TCP relay that can be cut or slowed down, between nodes and their master.

The membership names the address and port where the relay listens; the master's daemon was restarted
with another `member_port`, to which the relay connects.
"""

import socket
import threading
import time
from contextlib import suppress
from types import TracebackType

CHUNK = 64 << 10


class Relay:
    """From `(address, port)` to `(address, target)`, in threads of its own."""

    def __init__(self, address: str, port: int, target: int) -> None:
        self.delay = 0.0
        self.passed = 0
        self._there = (address, target)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_cut = False
        self._silent = threading.Event()
        self._listener = socket.create_server((address, port))
        self._listener.settimeout(0.2)
        self._over = False
        self._serving: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def __enter__(self) -> "Relay":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over = True
        self._listener.close()
        self.cut()
        for thread in (self._thread, *self._serving):
            thread.join(5)

    def cut(self) -> None:
        """Break all connections and refuse new ones."""
        with self._lock:
            self._is_cut = True
            for end in self._open:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def silence(self) -> None:
        """Pass nothing on, and say nothing: a cable that was pulled."""
        self._silent.set()

    def heal(self) -> None:
        self._silent.clear()
        with self._lock:
            self._is_cut = False

    def _accept(self) -> None:
        while not self._over:
            try:
                here, _ = self._listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            serving = threading.Thread(target=self._serve, args=(here,), daemon=True)
            self._serving.append(serving)
            serving.start()

    def _serve(self, here: socket.socket) -> None:
        try:
            there = socket.create_connection(self._there, 2)
        except OSError:
            here.close()
            return
        with self._lock:
            if self._is_cut:
                here.close()
                there.close()
                return
            self._open |= {here, there}
        back = threading.Thread(target=self._copy, args=(there, here), daemon=True)
        for end in (here, there):
            end.settimeout(None)
        back.start()
        self._copy(here, there)
        back.join()
        with self._lock:
            self._open -= {here, there}
        here.close()
        there.close()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                while self._silent.is_set() and not self._over:
                    time.sleep(0.02)
                if self.delay:
                    time.sleep(self.delay)
                sink.sendall(data)
                self.passed += len(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
