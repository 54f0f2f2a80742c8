"""The services of the gateways: real ones, so in containers only."""

from functools import partial

import pytest

from tests.compose.machines import NAMES, Gateways
from tests.e2e.cluster import until

pytestmark = [pytest.mark.netns, pytest.mark.slow]
MASTER, FIRST, SECOND, THIRD = NAMES
OVERRIDE = """\
compatibility_level = 3.6
myhostname = [% dns.hostname %].gateways.example
inet_interfaces = loopback-only
inet_protocols = ipv4
smtpd_banner = $myhostname [% pmg.mail.banner %]
"""
GREETING = """python3 -c '
import socket
print(socket.create_connection(("127.0.0.1", 26), 5).makefile().readline())'"""


def greets(four: Gateways, name: str, text: str) -> bool:
    return text in four.machines.shell(name, GREETING).out


def test_an_override_of_a_template_is_what_postfix_says_on_every_node(four: Gateways) -> None:
    if not four.machines.has_services:
        pytest.skip("network namespaces share the one Postfix of this machine")
    four.write(MASTER, "templates/main.cf.in", OVERRIDE)
    four.level()
    for name in NAMES:
        done = four.machines.shell(name, "systemctl start postfix || postfix start")
        assert done.code == 0, done.err
        until(partial(greets, four, name, f"220 {name}."), f"Postfix of {name} to answer")
    four.ok(MASTER, "config", "set", "mail.banner", "ESMTP at your service")
    four.level()
    for name in NAMES:
        wanted = f"220 {name}.gateways.example ESMTP at your service"
        until(partial(greets, four, name, wanted), f"{name} to say it")
