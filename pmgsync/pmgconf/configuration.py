"""All files of one node, parsed: what each says, and what is wrong in each by itself.

A file that is missing is an empty one, as for PMG. What files say to each other is `checks`'
business.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pmgsync.errors import InvalidError
from pmgsync.model.scope import CLUSTER_CONF, PMG, PMG_CONF, SPAMASSASSIN
from pmgsync.pmgconf import cluster_conf, ldap_conf, maps, pmg_conf, realms_conf, user_conf
from pmgsync.pmgconf.findings import Finding
from pmgsync.pmgconf.registry import REGISTRY
from pmgsync.pmgconf.section import SectionFile
from pmgsync.pmgconf.section import parse as parse_sections

DOMAINS = f"{PMG}/domains"
NETWORKS = f"{PMG}/mynetworks"
TRANSPORTS = f"{PMG}/transport"
TLS_POLICY = f"{PMG}/tls_policy"
INBOUND_DOMAINS = f"{PMG}/tls_inbound_domains"
SCORES = f"{SPAMASSASSIN}/pmg-scores.cf"
USERS = f"{PMG}/user.conf"
LDAP = f"{PMG}/ldap.conf"
REALMS = f"{PMG}/realms.conf"

SECTION_FILES = {
    str(PMG_CONF): pmg_conf.GRAMMAR,
    str(CLUSTER_CONF): cluster_conf.GRAMMAR,
    LDAP: ldap_conf.GRAMMAR,
    REALMS: realms_conf.GRAMMAR,
}
_AT_LINE = re.compile(r":([0-9]+)$")


@dataclass(frozen=True)
class Configuration:
    """The files of a node by synced path. Each is parsed once, when it is first asked for."""

    files: Mapping[str, bytes]

    def content(self, path: str) -> bytes:
        """The bytes of a file; none where it is missing."""
        return self.files.get(path, b"")

    @cached_property
    def options(self) -> pmg_conf.PmgConf:
        """`pmg.conf`."""
        return pmg_conf.parse_pmg_conf(self.content(PMG_CONF))

    @cached_property
    def nodes(self) -> cluster_conf.ClusterConf | None:
        """`cluster.conf`; None where there is no cluster, or the file is none."""
        try:
            return cluster_conf.parse_cluster_conf(self.content(CLUSTER_CONF))
        except InvalidError:
            return None

    @cached_property
    def registered(self) -> Mapping[str, Any]:
        """What every file of the registry says, by path."""
        return {path: kind.parse(self.content(path)) for path, kind in REGISTRY.items()}

    @property
    def domains(self) -> Iterable[str]:
        """The domains that are relayed."""
        return self.registered[DOMAINS].entries.keys()  # type: ignore[no-any-return] # Mapping[str, Domain]

    def entries_of(self, path: str) -> Iterable[Any]:
        """The entries of a file of the registry, in its order."""
        return self.registered[path].entries.values()  # type: ignore[no-any-return] # by kind

    @property
    def networks(self) -> Iterable[maps.Network]:
        """The trusted networks."""
        return self.entries_of(NETWORKS)

    @property
    def transports(self) -> Iterable[maps.Transport]:
        """Where mail for a domain goes."""
        return self.entries_of(TRANSPORTS)

    @property
    def policies(self) -> Iterable[maps.Policy]:
        """TLS policies of deliveries."""
        return self.entries_of(TLS_POLICY)

    @property
    def inbound_domains(self) -> Iterable[maps.InboundDomain]:
        """Domains whose mail has to come by TLS."""
        return self.entries_of(INBOUND_DOMAINS)

    @property
    def scores(self) -> Iterable[maps.Score]:
        """Scores of SpamAssassin's rules."""
        return self.entries_of(SCORES)

    @property
    def users(self) -> Iterable[user_conf.User]:
        """Who may log in."""
        return self.entries_of(USERS)

    @property
    def profiles(self) -> Iterable[ldap_conf.Profile]:
        """LDAP servers."""
        return self.entries_of(LDAP)

    @property
    def realms(self) -> Iterable[realms_conf.Realm]:
        """Where passwords are checked; those that are always there included."""
        return self.entries_of(REALMS)

    def sections(self) -> Iterator[tuple[str, SectionFile]]:
        """The section files that are there, as their sections."""
        for path, grammar in SECTION_FILES.items():
            if path in self.files:
                yield path, parse_sections(self.files[path], grammar)

    def findings(self) -> Iterator[tuple[str, Finding]]:
        """What is wrong in each file by itself."""
        for path, file in {str(PMG_CONF): self.options, **self.registered}.items():
            yield from ((path, finding) for finding in file.findings)
        yield from ((CLUSTER_CONF, finding) for finding in self._cluster_findings())

    def _cluster_findings(self) -> Iterator[Finding]:
        data = self.content(CLUSTER_CONF)
        found = parse_sections(data, cluster_conf.GRAMMAR).findings
        yield from found
        try:
            cluster_conf.parse_cluster_conf(data)
        except InvalidError as error:
            at = _AT_LINE.search(error.where)
            yield Finding(
                int(at[1]) if at else 0, f"is no cluster to PMG: {error.what}", mend=error.mend
            )
