"""Postfix runs with our files: it takes mail for the domains of the gateway and for no others."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.services.machine import Machine, require_namespaces

pytestmark = [pytest.mark.postfix, pytest.mark.slow]

CONF = """section: mail
	relay 127.0.0.1
	relayport 2525
	{more}
"""


def flow(folder: Path, protocol: str, more: str) -> dict[str, Any]:
    """What came of the mail that `mail_flow` sends."""
    require_namespaces()
    machine = Machine(folder)
    machine.write("etc/pmg/pmg.conf", CONF.format(more=more))
    machine.write("etc/pmg/domains", "example.com 1\n")
    # From the rule database: welcomed strangers need not wait in front of postscreen.
    machine.write("etc/postfix/postscreen_access", "203.0.113.5 permit\n")
    machine.sync()
    done = machine.run(sys.executable, "-m", "tests.services.mail_flow", protocol)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said


def test_mail_for_a_relay_domain_is_taken_filtered_and_relayed_and_no_other(tmp_path: Path) -> None:
    said = flow(tmp_path, "lmtp", "")
    assert said["check"] == "", "postfix check is silent"
    assert said["ours"][0] == 250, said
    assert said["other"][0] == 554
    assert "Relay access denied" in said["other"][1]
    assert said["trusted"][0] == 250, "our own servers may send anywhere"
    assert said["stranger on the trusted port"][0] == 554
    assert [10024, "somebody@example.net", ["someone@example.com"]] in said["filtered"]
    assert ["somebody@example.net", ["someone@example.com"], True] in said["relayed"]
    assert said["tls"] == ""
    assert "starttls" not in said["ours"][2]


def test_with_tls_and_filtering_before_the_queue(tmp_path: Path) -> None:
    said = flow(tmp_path, "smtp", "tls 1\n\tbefore_queue_filtering 1\n\tspf 0\n\tgreylist 0\n")
    assert said["check"] == ""
    assert said["ours"][0] == 250, said
    assert said["other"][0] == 554
    assert "starttls" in said["ours"][2]
    assert said["tls"] == "subject=CN=*.example.com"
    assert [10024, "somebody@example.net", ["someone@example.com"]] in said["filtered"]
    assert ["somebody@example.net", ["someone@example.com"], True] in said["relayed"]
