"""pmgsync, shown: three mail gateways on this machine, and edits that travel between them.

make demo            everything, then all is stopped and removed
make demo KEEP=1     the cluster stays up, to be played with
"""

import argparse
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

from arrivals import Edit, Wanted, arrivals, digest_of, synced_files
from cluster import PATIENCE, DemoError, Node, environment, three_nodes, until
from content import DOMAINS, domains, private_key

MANY = 500
BOLD, DIM, PLAIN = ("\x1b[1m", "\x1b[2m", "\x1b[0m") if sys.stdout.isatty() else ("", "", "")


def say(text: str = "") -> None:
    """A line, at once."""
    print(text, flush=True)


def show(node: Node, *words: str) -> None:
    """A command and what it prints, as on the terminal of a node."""
    say(f"\n{BOLD}{node.name}# {shlex.join(['pmgsync', *words])}{PLAIN}")
    say(node.pmgsync(*words))


def found(nodes: list[Node]) -> None:
    """Create the cluster on the first node, join the others with the lines that it prints."""
    master = nodes[0]
    show(master, "create")
    for node in nodes[1:]:
        line = master.pmgsync("join-cmd")
        say(f"\n{BOLD}{node.name}# {line[:60]}…{PLAIN}{DIM}  (printed by join-cmd on mail1){PLAIN}")
        say(node.pmgsync(*shlex.split(line)[1:]))
    until(lambda: all_in_sync(master, len(nodes)), "all nodes to be in sync")


def all_in_sync(master: Node, count: int) -> bool:
    """Does the master say so?"""
    status = master.status()["status"]
    states = [node["state"] for node in status["nodes"]] if status else []
    return states == ["in sync"] * count


def edits(nodes: list[Node]) -> None:
    """Four changes, and when each was where."""
    master, others = nodes[0], nodes[1:]
    heads = "  ".join(f"{node.name:>9}" for node in others)
    say(f"\n{BOLD}{'edited on mail1':<46}{heads}{PLAIN}{DIM}   after the rename{PLAIN}")

    line = "#a new customer\nnew.example.org 1\n"
    change(f"one line in domains (of {DOMAINS:,})", master, others, one_file("domains", line))
    together(master, others)
    change("tls_inbound_domains deleted", master, others, {"etc/pmg/tls_inbound_domains": None})
    many: Wanted = {
        f"etc/pmg/acme/order-{n:03}.json": f'{{"order": {n}}}\n'.encode() * 20 for n in range(MANY)
    }
    change(f"{MANY} new files in acme/ at once", master, others, many)


def one_file(name: str, line: str) -> Wanted:
    """The domains with one more line."""
    return {f"etc/pmg/{name}": (domains() + line).encode()}


def change(title: str, master: Node, others: list[Node], wanted: Wanted) -> None:
    """Make an edit and say when it was where."""
    edit = Edit(master.root, wanted)
    report(title, arrivals(others, wanted, edit.make))
    until(lambda: all_in_sync(master, len(others) + 1), "all nodes to be in sync")


def together(master: Node, others: list[Node]) -> None:
    """A new DKIM key and the setting that names it: two files, one change."""
    configuration = (master.root / "etc/pmg/pmg.conf").read_text()
    signing = "section: admin\n\tdkim_selector s2026\n\tdkim_sign 1\n"
    wanted: Wanted = {
        "etc/pmg/dkim/s2026.private": private_key(),
        "etc/pmg/pmg.conf": configuration.replace("section: admin\n", signing).encode(),
    }
    edit = Edit(master.root, wanted)
    script = " && ".join(shlex.join(["mv", str(a), str(b)]) for a, b in edit.moves)
    words = ("run", "-m", "new DKIM key", "--", "sh", "-c", script)
    running: list[subprocess.Popen[str]] = []

    def start() -> None:
        process = subprocess.Popen(
            master.command(*words), env=environment(), stderr=subprocess.PIPE, text=True
        )
        running.append(process)

    try:
        on_master, *times = arrivals([master, *others], wanted, start)
        _, spoken = running[0].communicate(timeout=PATIENCE)
    finally:
        for process in running:
            if process.poll() is None:
                process.kill()
                process.wait()
    if running[0].returncode:
        raise DemoError(f"`pmgsync run` ended with {running[0].returncode}: {spoken.strip()}")
    report("DKIM key and pmg.conf, one change", [after - on_master for after in times])
    say(f"{DIM}    pmgsync run said: {spoken.strip()}{PLAIN}")


def report(title: str, times: list[float]) -> None:
    """One row of the table."""
    say(f"  {title:<44}" + "  ".join(f"{seconds * 1000:6.1f} ms" for seconds in times))


def prove(nodes: list[Node]) -> None:
    """Every synced file is the same everywhere: path, mode and content."""
    first, *others = [synced_files(node.root) for node in nodes]
    for node, files in zip(nodes[1:], others, strict=True):
        paths = sorted(path for path, _ in first.items() ^ files.items())
        if paths:
            path = paths[0]
            was, found = first.get(path, "missing"), files.get(path, "missing")
            raise DemoError(
                f"{path} is {was[:16]}… on {nodes[0].name}, {found[:16]}… on {node.name}"
            )
    say(
        f"\n  all {len(first)} synced files are equal on the {len(nodes)} nodes: "
        f"sha256 {digest_of(first)[:16]}…"
    )


def farewell(nodes: list[Node]) -> None:
    """How to talk to what stays, and how to stop it."""
    folder = nodes[0].root.parent
    here = Path.cwd()
    code = f"PYTHONPATH={shlex.quote(str(environment()['PYTHONPATH']))} "
    python = sys.executable
    if here == Path(environment()["PYTHONPATH"]):
        code, python = "", os.path.relpath(python) if ".venv" in python else python
    pids = " ".join(str(node.daemon.pid) for node in nodes if node.daemon)
    say(f"\n{BOLD}The cluster stays up, below {folder}.{PLAIN} Try:")
    say(f"  {code}{python} -m pmgsync status --watch --root {nodes[0].root}")
    say(f"  echo 'more.example.org 1' >> {nodes[0].root}/etc/pmg/domains")
    say(f"  {code}{python} -m pmgsync show 2 --diff --root {nodes[1].root}")
    say(f"Stop and remove it:\n  kill {pids}; sleep 1; rm -r {folder}")


def run(*, keep: bool) -> None:
    """The whole show."""
    began = time.monotonic()
    step = "starting three daemons"
    try:
        with three_nodes(keep=keep) as nodes:
            where = ", ".join(f"{node.name} on {node.address}" for node in nodes)
            say(f"three nodes, their roots below {nodes[0].root.parent}:\n  {where}")
            step = "founding the cluster"
            found(nodes)
            step = "editing"
            edits(nodes)
            step = "comparing"
            prove(nodes)
            step = "showing status and log"
            show(nodes[0], "status")
            show(nodes[1], "log")
            if keep:
                farewell(nodes)
    except DemoError as error:
        raise DemoError(f"failed at {step}: {error}") from None
    if not keep:
        say(f"\n{DIM}stopped and removed, {time.monotonic() - began:.1f} s in all{PLAIN}")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--keep", action="store_true", help="leave the cluster up")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    try:
        run(keep=options.keep)
    except DemoError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demo: interrupted; stopped and removed", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
