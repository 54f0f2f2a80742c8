"""The facts about this node: gathered, overlaid with `--facts FILE`, and its address looked up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from pmgsync.cli.command import say
from pmgsync.errors import InvalidError, MalformedError, OperatorError
from pmgsync.host.facts import gather_facts, resolve
from pmgsync.model.scope import CLUSTER_CONF
from pmgsync.pmgconf.cluster_conf import parse_cluster_conf

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from pmgsync.model.facts import HostFacts


def add_facts_option(parser: argparse.ArgumentParser) -> None:
    """`--facts FILE`."""
    parser.add_argument(
        "--facts",
        metavar="FILE",
        help="JSON that says otherwise: any of the members that `pmgsync facts --json` prints",
    )


def node_facts(root: Path, file: str | None) -> HostFacts:
    """The facts of the node at `root`.

    The address is that of `cluster.conf`, else the one in `file`, else what the name stands for.
    """
    given = _given(file) if file is not None else {}
    facts = gather_facts(root)
    if file is not None:
        try:
            facts = facts.overlaid(given, "facts")
        except MalformedError as error:
            raise InvalidError(error.what, where=file, mend="see `pmgsync facts --json`") from None
    named = address_in_cluster(root, facts.hostname)
    if named is not None:
        return replace(facts, address=named)
    return facts if "address" in given else replace(facts, address=resolve(facts.hostname))


def address_in_cluster(root: Path, hostname: str) -> str | None:
    """The address that `cluster.conf` gives the node of that name; None if it names none such.

    What PMG warns about when it reads the file goes to stderr.
    """
    try:
        data = (root / CLUSTER_CONF).read_bytes()
    except FileNotFoundError:
        return None
    conf = parse_cluster_conf(data)
    if conf is None:
        return None
    for finding in conf.findings:
        say(finding.warning(f"/{CLUSTER_CONF}"))
    return next((node.ip for node in conf.nodes if node.name == hostname), None)


def _given(file: str) -> dict[str, object]:
    from pathlib import Path

    try:
        document: object = json.loads(Path(file).read_bytes())
    except OSError as error:
        raise OperatorError(error.strerror or "cannot be read", where=f"--facts {file}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidError(f"is not JSON: {error}", where=file, mend="correct it") from None
    if not isinstance(document, dict):
        raise InvalidError("is not a JSON object", where=file, mend="see `pmgsync facts --json`")
    return document
