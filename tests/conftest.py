"""What every test run needs: which versions run, and which tests this machine can run at all."""

import os
import shutil
import signal
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import pytest
from hypothesis import settings

# A shell that starts us in the background has SIGINT ignored, and so would every program of ours
# that a test wants to interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

# How long one example takes depends on what else the machine does; `timeout` bounds the whole test.
settings.register_profile("pmgsync", deadline=None)
settings.load_profile("pmgsync")

LIBRARIES = ("grpcio", "protobuf", "cryptography", "watchdog", "tenacity")


def pytest_report_header() -> str:
    return f"{sys.executable} with " + ", ".join(f"{name} {_version(name)}" for name in LIBRARIES)


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return "missing"


PROGRAMS = {
    "postfix": ("postmap", "postconf"),
    "spamassassin": ("spamassassin",),
    "fetchmail": ("fetchmail",),
    "openssl": ("openssl",),
    "toolkit": ("perl", "tpage"),
}
"""What a test with that marker runs. scripts/setup installs it."""


def pytest_runtest_setup(item: pytest.Item) -> None:
    lacks = [_lack_of_programs(marker) for marker in PROGRAMS if item.get_closest_marker(marker)]
    if item.get_closest_marker("netns"):
        lacks.append(_lack_of_namespaces())
    for lack in filter(None, lacks):
        # A machine of the developers may lack it; the one that decides about a merge may not.
        if os.environ.get("CI") == "true":
            pytest.fail(lack, pytrace=False)
        pytest.skip(lack)


@cache
def _lack_of_programs(marker: str) -> str:
    # /usr/sbin is in the PATH of root only, but anybody may call what tests call there
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    missing = [name for name in PROGRAMS[marker] if not shutil.which(name, path=path)]
    return f"{', '.join(missing)} is not installed (see scripts/setup)" if missing else ""


@cache
def _lack_of_namespaces() -> str:
    if os.geteuid() != 0:
        return "network namespaces need root"
    if not shutil.which("ip"):
        return "network namespaces need `ip` (package iproute2)"
    name = f"pmgsync-probe-{os.getpid()}"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if made.returncode:
        return f"this machine makes no network namespaces: {made.stderr.strip()}"
    subprocess.run(["ip", "netns", "delete", name], check=True)
    return ""
