"""How fast PMG's files are read: large lists, and files made to be slow.

    python bench/pmgconf.py

The first part reads 100,000 domains and 100,000 transports. The second reads, for every kind,
10 MB of its usual lines and lines of 1 MB and 2 MB of each piece that a reader could stumble
over; a reader that takes time by the square of a line's length shows as a factor of four. (What
a command takes from start to exit: `commands.py`.)
"""

import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pmgsync.pmgconf.pmg_conf import parse_pmg_conf
from pmgsync.pmgconf.registry import REGISTRY

PARSERS = {
    "etc/pmg/pmg.conf": parse_pmg_conf,
    **{path: kind.parse for path, kind in REGISTRY.items()},
}
TARGET_S = 1.0
MANY = 100_000
LARGE_BYTES = 10_000_000
LONG_BYTES = 1_000_000

LINES = {
    "etc/pmg/pmg.conf": "section: mail\n\tmaxsize 10{}\n\trelay mx.example\n\n",
    "etc/pmg/domains": "domain{}.example 1\n",
    "etc/pmg/dkim/domains": "domain{}.example 1\n",
    "etc/pmg/mynetworks": "2001:db8::{:x}/128 #ours\n",
    "etc/pmg/transport": "domain{}.example smtp:[mx.example]:25\n",
    "etc/pmg/tls_policy": "domain{}.example secure match=x\n",
    "etc/pmg/tls_inbound_domains": "domain{}.example reject_plaintext_session\n",
    "etc/mail/spamassassin/pmg-scores.cf": "score RULE_{} 1.5\n",
    "etc/pmg/user.conf": "user{}:1:0:$6$salt$hash:admin:ann@a.example:Ann:Doe::\n",
    "etc/pmg/ldap.conf": "ldap: profile{}\n\tserver1 ldap.example\n\tbindpw YWJj\n\n",
    "etc/pmg/realms.conf": "oidc: realm{}\n\tissuer-url https://id.example\n\tclient-id x\n\n",
    "etc/pmg/fetchmailrc": 'poll account{} via "mx.example" user "ann" pass "x" keep\n',
}
OPTIONS = [
    *(("section: admin", key) for key in ("email", "custom_check_path", "dkim_selector", "x")),
    *(("section: mail", key) for key in ("relay", "dnsbl_sites", "maxsize")),
    *(("section: spam", "languages"), ("ldap: ad", "server1"), ("oidc: sso", "issuer-url")),
]
PIECES = ["a", ".", "a.", "-", "a-", ":", "1", "1:", "/", "@", " ", " a", '"', '" ', "\\x41", "#"]
HEADS = [
    *("", "a.example ", "a.example smtp:", "10.0.0.0/8 ", "score A ", "a:1:0:", "section: "),
    *(f"{header}\n\t{option} " for header, option in OPTIONS),
]
MARKER = b"# proxmox settings\n"


def seconds(path: str, data: bytes) -> float:
    """How long one reading takes: CPU time, as other programs should not count."""
    content = MARKER + data if path.endswith("fetchmailrc") else data
    start = time.process_time()
    PARSERS[path](content)
    return time.process_time() - start


def large_lists() -> bool:
    """The two lists of the target, together; best of three."""
    domains, transports = "etc/pmg/domains", "etc/pmg/transport"
    contents = {
        path: "".join(LINES[path].format(n) for n in range(MANY)).encode()
        for path in (domains, transports)
    }
    times = {path: min(seconds(path, data) for _ in range(3)) for path, data in contents.items()}
    total = sum(times.values())
    print(f"{MANY:,} domains {times[domains]:.2f} s, {MANY:,} transports {times[transports]:.2f} s")
    print(f"together {total:.2f} s of CPU, target {TARGET_S:.2f} s")
    return total <= TARGET_S


def large_file(path: str) -> float:
    """Seconds for 10 MB of usual lines."""
    count = LARGE_BYTES // len(LINES[path])
    return seconds(path, "".join(LINES[path].format(n) for n in range(count)).encode())


def growth(path: str) -> tuple[float, str]:
    """The worst factor between a line and one of twice its length, and the line's pieces."""
    worst = (0.0, "")
    for head in HEADS:
        for piece in PIECES:
            line, double = (
                f"{head}{piece * (size // len(piece))}\n".encode()
                for size in (LONG_BYTES, 2 * LONG_BYTES)
            )
            short = min(seconds(path, line) for _ in range(3))
            long = min(seconds(path, double) for _ in range(3))
            if long > 0.05:  # below that it is noise
                worst = max(worst, (long / short, f"{head!r} {piece!r} {long:.3f} s"))
    return worst


def main() -> int:
    """Print it; 1 if the target is missed."""
    fine = large_lists()
    for path in PARSERS:
        factor, pieces = growth(path)
        slow = f"twice as long: x{factor:.1f} {pieces}" if pieces else "no line of 2 MB takes 50 ms"
        print(f"{path:36} 10 MB {large_file(path):5.2f} s, {slow}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
