"""A healthy node's files, and what the checks say about files like them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from pmgsync.model.pmg_node import PmgKeys
from pmgsync.pmgconf.check import Surroundings
from pmgsync.pmgconf.checks import remarks
from pmgsync.pmgconf.cluster_conf import ClusterConf, ClusterNode, dump_cluster_conf
from pmgsync.pmgconf.configuration import (
    DOMAINS,
    INBOUND_DOMAINS,
    LDAP,
    NETWORKS,
    REALMS,
    SCORES,
    TLS_POLICY,
    TRANSPORTS,
    USERS,
    Configuration,
)

PMG_CONF = "etc/pmg/pmg.conf"
CLUSTER_CONF = "etc/pmg/cluster.conf"
NOW = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())
HASH = "$5$salt$hash"
KEY = "-----BEGIN RSA PRIVATE KEY-----\n"
KEYS = PmgKeys(fingerprint=":".join(["AB"] * 32), host_rsa="A" * 250, root_rsa="B" * 250)


def conf(text: str) -> str:
    """`SECTION KEY VALUE` lines as `pmg.conf`."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        section, option = line.split(maxsplit=1)
        found.setdefault(section, []).append(f"\t{option}\n")
    return "".join(f"section: {name}\n{''.join(rows)}\n" for name, rows in found.items())


def cluster(*addresses: str) -> str:
    nodes = tuple(
        ClusterNode(cid, f"mail{cid}", address, KEYS) for cid, address in enumerate(addresses, 1)
    )
    return dump_cluster_conf(ClusterConf(1, len(nodes), nodes)).decode()


def found(files: Mapping[str, str], around: Surroundings | None = None) -> list[str]:
    """`CHECK FILE:LINE WHAT` of each remark."""
    around = around or Surroundings(now=NOW, names=frozenset({"mail1", "mail1.example.com"}))
    configuration = Configuration(
        {path: text.encode("utf-8", "surrogateescape") for path, text in files.items()}
    )
    return [
        f"{check.name} {remark.path.rpartition('/')[2]}:{remark.line} {remark.what}"
        for check, remark in remarks(configuration, around)
    ]


HEALTHY = {
    PMG_CONF: conf(
        "mail relay 192.168.2.5\nmail tls 1\nmail dnsbl_sites zen.example*2 b.example\n"
        "mail dnsbl_threshold 2\nadmin dkim_selector key1\nadmin dkim_sign 1\n"
        "admin http_proxy http://u:p@proxy:3128\nspamquar authmode ldap"
    ),
    DOMAINS: "#ours\nexample.com 1\nexample.net 1\n",
    "etc/pmg/dkim/domains": "example.com 1\n",
    "etc/pmg/dkim/key1.private": KEY,
    NETWORKS: "10.0.0.0/8 #\n192.0.2.0/24 #public, and ours\n198.18.0.0/16 #\nfd00::/8 #\n"
    "2001:db8::/32 #\n",
    TRANSPORTS: "example.com smtp:[192.168.2.6]:25\nsub.example.net smtp:mail.example:26\n"
    "joe@example.com lmtp:inet:localhost:24\n.example.com smtp:[192.168.2.7]:25\n",
    TLS_POLICY: "example.org encrypt\n",
    INBOUND_DOMAINS: "example.org reject_plaintext_session\n",
    SCORES: "score BAYES_99 4.000\n",
    USERS: f"root@pam:1:0::root:a@example.com::::\njoe:1:0:{HASH}:admin:::::\n"
    f"jim@sso:1:0::audit:::::\nold:0:100:{HASH}:audit:::::\n",
    REALMS: "oidc: sso\n\tclient-id x\n\tissuer-url https://sso.example\n\n",
    LDAP: "ldap: main\n\tserver1 192.168.2.9\n\n",
    CLUSTER_CONF: cluster("192.168.2.1", "192.168.2.2"),
}
HEALTHY_AROUND = Surroundings(
    now=NOW,
    names=frozenset({"mail1", "mail1.example.com"}),
    resolv_conf=b"search example.com\nnameserver 127.0.0.1\nnameserver 192.168.2.1\n",
    rules=frozenset({"BAYES_99"}),
)
