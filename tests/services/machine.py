"""A machine of its own for real services: files, network and processes that nobody else sees.

`pmgsync sync` writes below a root; then programs run in namespaces in which that root's `/etc`
lies over this machine's. So they read the files under the names that stand in them, listen on the
ports that stand in them, and whatever they leave running ends with the test.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pmgsync.model.facts import HostFacts
from pmgsync.model.scope import FOLDERS
from tests.e2e.cluster import REPOSITORY, environment
from tests.e2e.privileges import lacking
from tests.unit.render.nodes import FACTS

NAMESPACES = ("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc")

_PREPARE = """
set -e
root=$1; shift
ip link set lo up
ip address add 203.0.113.1/32 dev lo
ip address add 203.0.113.5/32 dev lo
mount -t tmpfs tmpfs /mnt
mkdir /mnt/work /mnt/data
mkdir -p "$root/work"
mount -t overlay overlay -o "lowerdir=/etc,upperdir=$root/etc,workdir=$root/work" /etc
cp -a /var/spool/postfix /mnt/spool
chown postfix /mnt/data
mount --bind /mnt/spool /var/spool/postfix
mount --bind /mnt/data /var/lib/postfix
exec "$@"
"""


@dataclass
class Machine:
    """One with this root."""

    root: Path
    facts: HostFacts = FACTS

    def write(self, path: str, content: str | bytes) -> Path:
        """A file of the admin's, and old enough for Postfix to read it without waiting."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        os.utime(file, (0, 0))
        return file

    def read(self, path: str) -> bytes:
        return (self.root / path).read_bytes()

    def pmgsync(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        """`pmgsync WORDS` for this root, with these facts."""
        facts = self.root / "facts.json"
        facts.parent.mkdir(parents=True, exist_ok=True)
        facts.write_text(json.dumps(self.facts.to_json()))
        command = [sys.executable, "-m", "pmgsync", words[0], "--root", str(self.root)]
        done = subprocess.run(
            [*command, "--facts", str(facts), *words[1:]],
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, f"{words} ended with {done.returncode}: {done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def sync(self, *words: str) -> None:
        """Write every service file, and make it old enough for Postfix."""
        self.pmgsync("sync", *words)
        for file in (self.root / "etc").rglob("*"):
            if file.is_file() and file.suffix != ".db":
                os.utime(file, (0, 0))

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program in namespaces of its own in which this machine's files are `/etc`."""
        for folder in FOLDERS:
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        self.write("etc/resolv.conf", "nameserver 127.0.0.1\n")  # nobody answers: at once
        self.write("etc/hosts", "127.0.0.1 localhost mail1.example.com mail1\n")
        return subprocess.run(
            [*NAMESPACES, "sh", "-c", _PREPARE, "sh", str(self.root), *argv],
            env={**environment(), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            cwd=REPOSITORY,
        )


def require_namespaces() -> None:
    """Skip, or fail where nothing may be skipped, unless machines of their own can be had."""
    if os.geteuid() != 0:
        lacking("a machine of its own needs root")
    probe = "ip link set lo up && mount -t tmpfs tmpfs /mnt"
    done = subprocess.run([*NAMESPACES, "sh", "-c", probe], check=False, capture_output=True)
    if done.returncode:
        lacking(f"this machine makes no namespaces: {done.stderr.decode(errors='replace').strip()}")
