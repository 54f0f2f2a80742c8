"""How the C library hands out memory."""

from __future__ import annotations

import ctypes

_M_ARENA_MAX = -8  # mallopt(3)


def use_one_arena() -> None:
    """Before the first thread: all threads share one arena.

    glibc gives threads that collide arenas of their own, which keep what was freed in them. Here
    one thread at a time does anything, and the others cost 0.8 MB. Other C libraries have one
    arena anyway, and no such call.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 1)


def give_back() -> None:
    """Give back to the system what the start has used and freed; other C libraries may not know
    how.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
