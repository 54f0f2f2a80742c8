"""What the demo's mail gateways are configured with. All of it is made up here: names of RFC 2606,
addresses of RFC 5737, keys made anew for each run."""

import base64
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from pmgsync.model.scope import rule_for

DOMAINS = 2000

PMG_CONF = """\
section: admin
	admin-mail-from Gateway <postmaster@example.com>
	dailyreport 1
	email admin@example.com
	http_proxy http://proxy.example.net:3128
	statlifetime 30

section: mail
	banner ESMTP mail gateway of example.com
	dnsbl_sites dnsbl.example.org*2, relays.example.net
	dnsbl_threshold 2
	maxsize 31457280
	relay 192.0.2.25
	spf 1
	tls 1
	tlsheader 1

section: spam
	bounce_score 2
	languages de en
	use_razor 0

section: spamquar
	hostname quarantine.example.com
	lifetime 14
	reportstyle short

section: clamav
	archivemaxfiles 500
	maxscansize 50000000
"""

MAIN_CF_IN = """\
# main.cf of the demo: the gateway speaks TLS where it can, and says so

compatibility_level = 3.6
myhostname = [% dns.fqdn %]
mydestination =
mynetworks = 127.0.0.0/8, [% postfix.int_ip %]
smtpd_banner = $myhostname [% pmg.mail.banner %]
message_size_limit = [% pmg.mail.maxsize %]

transport_maps = hash:/etc/pmg/transport
relay_domains = hash:/etc/pmg/domains

[% IF pmg.mail.tls -%]
smtpd_tls_security_level = may
smtp_tls_policy_maps = hash:/etc/pmg/tls_policy
[%- IF pmg.mail.tlsheader %]
smtpd_tls_received_header = yes
[%- END %]
[% END -%]

[% IF pmg.mail.smarthost -%]
relayhost = [% pmg.mail.smarthost %]:[% pmg.mail.smarthostport %]
[% END -%]
"""

CUSTOM_CF = """\
# local rules of the demo

header   DEMO_PRIZE    Subject =~ /\\byou (have )?won\\b/i
describe DEMO_PRIZE    Promises a prize
score    DEMO_PRIZE    1.5

body     DEMO_INVOICE  /open the attached invoice without delay/i
describe DEMO_INVOICE  Presses to open an attachment
score    DEMO_INVOICE  2.0
"""

TRANSPORT = """\
#this customer has a server of its own
c0001.example.net smtp:[198.51.100.20]:25
c0002.example.net smtp:mail.example.org:25
#deliver to the store directly
c0003.example.net lmtp:inet:[192.0.2.60]:24
"""

USERS = """\
admin@pmg:1:0:$5$demo$notARealHash1notARealHash1notARealHash1:admin:admin@example.com:Ada:Beispiel::
#first line of support
desk@pmg:1:0:$5$demo$notARealHash2notARealHash2notARealHash2:helpdesk:desk@example.com:Dana:Muster::
"""

SCORES = """\
# local experience
score FREEMAIL_FROM 0.250
score MISSING_DATE 2.500
"""

FILES = {
    "etc/pmg/pmg.conf": PMG_CONF,
    "etc/pmg/transport": TRANSPORT,
    "etc/pmg/mynetworks": "192.0.2.0/24 #servers\n198.51.100.0/24 #offices\n",
    "etc/pmg/tls_policy": "bank.example.org encrypt\nold.example.net may\n",
    "etc/pmg/tls_inbound_domains": "bank.example.org reject_plaintext_session\n",
    "etc/pmg/user.conf": USERS,
    "etc/pmg/templates/main.cf.in": MAIN_CF_IN,
    "etc/pmg/dkim/domains": "example.com 1\n",
    "etc/mail/spamassassin/custom.cf": CUSTOM_CF,
    "etc/mail/spamassassin/pmg-scores.cf": SCORES,
}


def domains() -> str:
    """2,000 relay domains, each with a customer's number."""
    lines = [f"#customer {n}\nc{n:04}.example.net 1\n" for n in range(1, DOMAINS + 1)]
    return "".join(lines)


def private_key() -> bytes:
    """A fresh RSA key, as `openssl genrsa` writes it."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def write_node(root: Path, name: str, address: str) -> None:
    """What every node has of its own: its name, and the address it listens on."""
    write(root, "etc/hostname", f"{name}\n")
    settings = f'[node]\nname = "{name}"\naddress = "{address}"\n'
    write(root, "etc/pmgsync/pmgsync.toml", settings)
    for folder in ("etc/pmg", "etc/mail/spamassassin"):
        (root / folder).mkdir(parents=True, exist_ok=True)


def write_configuration(root: Path) -> None:
    """What the master of a small provider has in its /etc/pmg."""
    for path, text in FILES.items():
        write(root, path, text)
    write(root, "etc/pmg/domains", domains())
    write(root, "etc/pmg/dkim/s2025.private", private_key())
    write(root, "etc/pmg/pmg-csrf.key", base64.b64encode(os.urandom(32)) + b"\n")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    write(root, "etc/pmg/pmg-authkey.key", secret)
    write(root, "etc/pmg/pmg-authkey.pub", public)


def write(root: Path, path: str, content: str | bytes) -> None:
    """A new file, with the mode that PMG gives it. (Its owner is whoever runs the demo.)"""
    rule, target = rule_for(path), root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.encode() if isinstance(content, str) else content)
    target.chmod(rule.mode if rule else 0o644)
