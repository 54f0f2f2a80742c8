"""What is fuzzed besides PMG's files: the machine's own files, and what is computed of both."""

import json
from collections.abc import Callable, Mapping

from pmgsync.errors import MalformedError
from pmgsync.model.facts import (
    HostFacts,
    parse_ipv4_routes,
    parse_ipv6_routes,
    parse_memory,
    parse_resolv_conf,
    postgres_version,
)
from pmgsync.pmgconf.check import Surroundings
from pmgsync.pmgconf.checks import remarks
from pmgsync.pmgconf.checks_people import mentioned_rules
from pmgsync.pmgconf.configuration import Configuration
from pmgsync.pmgconf.custom_check import verdict_of
from pmgsync.pmgconf.proxy import proxy_of
from pmgsync.pmgconf.registry import REGISTRY
from pmgsync.pmgconf.variables import Sources, dump_lines, variables, warnings

FACTS = HostFacts("mail1", "192.0.2.1", memory_mib=8192)
FEWEST_LINES = 98
PATHS = ["etc/pmg/pmg.conf", "etc/pmg/cluster.conf", "etc/pmg/dkim/a.private", *REGISTRY]


def template_variables(data: bytes) -> None:
    """The same bytes as each of the files that the variables come from."""
    sources = Sources.read(lambda _path: data)
    assert sum(1 for _ in dump_lines(variables(sources, FACTS))) >= FEWEST_LINES
    list(warnings(sources, FACTS))


def whole_configuration(data: bytes) -> None:
    """One file after the other, parted by NUL, and all checks of them."""
    configuration = Configuration(dict(zip(PATHS, data.split(b"\0"), strict=False)))
    lines = {path: content.count(b"\n") + 1 for path, content in configuration.files.items()}
    for path, finding in configuration.findings():
        assert 0 <= finding.line <= lines.get(path, 1)
    rules = mentioned_rules(data)
    around = Surroundings(1 << 31, frozenset({"mail1"}), data, rules, "does not exist")
    for _, remark in remarks(configuration, around):
        assert remark.what
        assert remark.mend


def machine_files(data: bytes) -> None:
    """What the kernel, the resolver and PostgreSQL keep."""
    for parse in (parse_resolv_conf, parse_ipv4_routes, parse_ipv6_routes, parse_memory):
        parse(data)
    postgres_version({"15": data, "17": data})


def given_facts(data: bytes) -> None:
    """`--facts FILE`: refused, or a value that survives its own form."""
    try:
        given = json.loads(data)
        facts = FACTS.overlaid(given if isinstance(given, dict) else {}, "facts")
    except (ValueError, RecursionError, MalformedError):
        return
    assert HostFacts("other").overlaid(facts.to_json(), "facts") == facts


def http_proxy(data: bytes) -> None:
    """The value of an option that Perl takes apart."""
    proxy = proxy_of("http://" + data.decode("utf-8", "surrogateescape"))
    assert proxy is None or proxy["host"]


def custom_check(data: bytes) -> None:
    """The answer of an admin's own check of mails."""
    verdict = verdict_of(data, 0)
    assert not (verdict.fault and verdict.virus)


CHECKS: Mapping[str, Callable[[bytes], None]] = {
    "template variables": template_variables,
    "whole configuration": whole_configuration,
    "machine files": machine_files,
    "given facts": given_facts,
    "http_proxy": http_proxy,
    "custom check": custom_check,
}
SAMPLES: Mapping[str, bytes] = {
    "template variables": b"section: admin\n\thttp_proxy http://u:p@h:80\n\nsection: mail\n"
    b"\trelay 192.0.2.9\n\tdnsbl_sites a.example\n\na.example smtp:[192.0.2.1]:25\n10.0.0.0/8 #\n",
    "whole configuration": b"section: mail\n\tint_port 25\n\0\0KEY\0a.example 1\n\0a.example 1\n\0"
    b"0.0.0.0/0 #\n\0b.example smtp:localhost:25\n\0a may\n\0a reject_plaintext_session\n\0"
    b"score X 1\n\0ann:1:9::admin:::::\n\0ldap: ad\n\tserver1 a\n\n",
    "machine files": b"Iface\tDestination\n"
    b"eth0\t0002A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    b"20010db8000000000000000000000000 40 00000000000000000000000000000000 00 x\n"
    b"MemTotal: 8388608 kB\nsearch a.example\nnameserver 192.0.2.1\nport = 5432\n",
    "given facts": json.dumps(FACTS.to_json()).encode(),
    "http_proxy": b"user:p%3A@[::1]:3128/",
    "custom check": b"v1\nVIRUS: x\nSCORE: 1.5\nOK\n",
}
WORDS = [
    *("v1", "OK", "VIRUS: ", "SCORE: ", "nameserver ", "search ", "MemTotal: ", "port = ", " kB"),
    *("0.0.0.0/0", "::/0", "http_proxy http://", "dkim_selector a", "custom_check 1"),
]
