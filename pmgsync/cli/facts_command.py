"""`pmgsync facts`: what was found out about this machine, and what the templates are told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pmgsync.cli.command import Command, Place, print_json
from pmgsync.cli.facts_file import add_facts_option, node_facts
from pmgsync.errors import ExitCode

if TYPE_CHECKING:
    import argparse

    from pmgsync.model.facts import HostFacts


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="for scripts, and for --facts")
    add_facts_option(parser)


def _facts(options: argparse.Namespace, place: Place) -> int:
    facts = node_facts(place.root, options.facts)
    if options.json:
        print_json(facts.to_json())
    else:
        print("\n".join(f"{name:20}{value}" for name, value in _rows(facts)))
    return ExitCode.FINE


def _rows(facts: HostFacts) -> list[tuple[str, str]]:
    """What is shown to a person; a dash where there is none."""
    return [
        ("hostname", facts.hostname),
        ("address", facts.address or "-"),
        ("search domain", facts.search_domain or "-"),
        ("name servers", ", ".join(facts.nameservers) or "-"),
        ("memory", f"{facts.memory_mib} MiB"),
        ("PostgreSQL version", facts.postgres_version or "-"),
        ("routes, in order", ", ".join(map(str, facts.routes)) or "-"),
    ]


FACTS = Command(
    about="Show what was found out about this machine: its name and address, search domain and "
    "name servers, routes in the order of the kernel's tables, memory, PostgreSQL version. Files "
    "below --root count where they exist there, else the running system.",
    examples=(
        ("pmgsync facts", ""),
        ("pmgsync facts --json > mail1.json", "keep them"),
        ("pmgsync dump --facts mail1.json", "what mail1 would tell its templates"),
    ),
    run=_facts,
    configure=_configure,
    codes=(ExitCode.REJECTED,),
    more="The address is the one that cluster.conf gives this node, else the one in --facts, else "
    "what the name of the machine stands for.",
)
