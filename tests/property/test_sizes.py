"""Large files and long lines are read in time linear in their size.

Four times the bytes take four times as long, where nothing is quadratic (that would be sixteen
times). It is the time of this process that counts, not that of the clock on the wall, and only
where there is enough of it to be measured.
"""

import sys
import time
from collections.abc import Callable

import pytest

from fuzz.kinds import SAMPLES as FILES
from pmgsync.model.facts import parse_ipv4_routes, parse_memory, parse_resolv_conf
from pmgsync.pmgconf.checks_people import mentioned_rules
from pmgsync.pmgconf.cluster_conf import parse_cluster_conf
from pmgsync.pmgconf.custom_check import verdict_of
from pmgsync.pmgconf.pmg_conf import parse_pmg_conf
from pmgsync.pmgconf.proxy import proxy_of
from pmgsync.pmgconf.registry import REGISTRY

pytestmark = pytest.mark.skipif(
    sys.prefix == sys.base_prefix,
    reason="takes long, and nothing in it depends on a library: the run in .venv shows it",
)

READERS: dict[str, Callable[[bytes], object]] = {
    **{path: kind.parse for path, kind in REGISTRY.items()},
    "pmg.conf": parse_pmg_conf,
    "cluster.conf": lambda data: parse_cluster_conf(b"# " + data),
    "resolv.conf": parse_resolv_conf,
    "routes": parse_ipv4_routes,
    "meminfo": parse_memory,
    "rule file": mentioned_rules,
    "http_proxy": lambda data: proxy_of("http://" + data.decode("latin-1").replace("\n", " ")),
    "custom check": lambda data: verdict_of(data, 0),
}
SAMPLES = {
    **{path: FILES[path] for path in READERS if path in FILES},
    "resolv.conf": b"search a.example\nnameserver 192.0.2.1\n",
    "routes": FILES["machine files"],
    "meminfo": b"MemFree: 1 kB\n",
    "rule file": b"header X Subject =~ /x/\nscore X 1\n",
    "http_proxy": b"u:p@h.example:3128 ",
    "custom check": b"v1\nOK\n",
}

LARGE_BYTES = 250_000
LONG_BYTES = 100_000
TIMES = 4
MOST_TIMES_AS_LONG = 10  # between 4 and 16
MEASURABLE_S = 0.05

PIECES = [
    "a",
    ".",
    "a.",
    "-",
    "a-",
    ":",
    "1",
    "1:",
    "/",
    "@",
    " ",
    " a",
    '"',
    '" ',
    "\\x41",
    "#",
    "%",
]
HEADS = ["", "a.example ", "a.example smtp:", "10.0.0.0/8 ", "score A ", "a:1:0:", "\tserver1 "]


def cpu_seconds(reader: Callable[[bytes], object], data: bytes) -> float:
    begin = time.process_time()
    reader(data)
    return time.process_time() - begin


def growth(reader: Callable[[bytes], object], data: bytes, larger: bytes) -> float:
    """How many times as long the larger input takes; 0 where it is too quick to be measured."""
    long = cpu_seconds(reader, larger)
    if long < MEASURABLE_S:
        return 0.0
    short = cpu_seconds(reader, data)
    if long >= MOST_TIMES_AS_LONG * short:  # that may have been something else: look again
        short = max(cpu_seconds(reader, data) for _ in range(3))
        long = min(cpu_seconds(reader, larger) for _ in range(3))
    return long / max(short, MEASURABLE_S / 100)


@pytest.mark.parametrize("name", READERS)
def test_a_large_file_takes_linear_time(name: str) -> None:
    sample = SAMPLES[name]
    data = sample * (LARGE_BYTES // len(sample))
    assert growth(READERS[name], data, data * TIMES) < MOST_TIMES_AS_LONG


@pytest.mark.parametrize("name", READERS)
def test_a_long_line_takes_linear_time(name: str) -> None:
    start = b"# proxmox settings\n" if name.endswith("fetchmailrc") else b""
    slow = {}
    for head in HEADS:
        for piece in PIECES:
            inputs = [
                start + f"{head}{piece * (size // len(piece))}\n".encode()
                for size in (LONG_BYTES, LONG_BYTES * TIMES)
            ]
            times = growth(READERS[name], *inputs)
            if times >= MOST_TIMES_AS_LONG:
                slow[head, piece] = times
    assert slow == {}


@pytest.mark.parametrize("name", ["etc/pmg/domains", "pmg.conf"])
def test_ten_megabytes_are_read(name: str) -> None:
    sample = SAMPLES[name]
    READERS[name](sample * (10_000_000 // len(sample)))


def test_the_measure_sees_what_is_quadratic() -> None:
    def quadratic(data: bytes) -> None:
        for _ in range(len(data)):
            data.count(b"x")

    assert growth(quadratic, b"a" * 3_000, b"a" * 12_000) >= MOST_TIMES_AS_LONG
