"""One arena for all threads, as the C library counts them."""

import ctypes
import subprocess
import sys

import pytest

from tests.architecture.source import ROOT

# Threads that allocate at the same time, which is when glibc makes arenas; malloc_info(3) tells.
PROGRAM = """
import ctypes, sys, threading
from pmgsync.host.memory import use_one_arena
if sys.argv[1] == "one":
    use_one_arena()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
start = threading.Barrier(8)
def allocate():
    start.wait()
    for _ in range(2000):
        libc.free(libc.malloc(2000))
threads = [threading.Thread(target=allocate) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
libc.stdout = ctypes.c_void_p.in_dll(libc, "stdout")
libc.malloc_info(0, libc.stdout)
libc.fflush(None)
"""


def arenas(how: str) -> int:
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, how], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return run.stdout.count("<heap nr=")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="not glibc")
def test_threads_share_one_arena() -> None:
    assert arenas("many") > 1
    assert arenas("one") == 1
