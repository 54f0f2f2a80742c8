"""Which file is read and written by which module: the table of the files that are understood."""

from pmgsync.model.scope import PMG, SPAMASSASSIN
from pmgsync.pmgconf import fetchmailrc, ldap_conf, maps, realms_conf, user_conf
from pmgsync.pmgconf.file_kind import FileKind, kind_of_entries
from pmgsync.pmgconf.lists import list_kind

REGISTRY: dict[str, FileKind] = {
    f"{PMG}/domains": list_kind(maps.DOMAINS),
    f"{PMG}/dkim/domains": list_kind(maps.DKIM_DOMAINS),
    f"{PMG}/mynetworks": list_kind(maps.NETWORKS),
    f"{PMG}/transport": list_kind(maps.TRANSPORTS),
    f"{PMG}/tls_policy": list_kind(maps.POLICIES),
    f"{PMG}/tls_inbound_domains": list_kind(maps.INBOUND_DOMAINS),
    f"{SPAMASSASSIN}/pmg-scores.cf": list_kind(maps.SCORES),
    f"{PMG}/user.conf": user_conf.KIND,
    f"{PMG}/ldap.conf": ldap_conf.KIND,
    f"{PMG}/realms.conf": kind_of_entries(realms_conf.parse, realms_conf.dump),
    f"{PMG}/fetchmailrc": fetchmailrc.KIND,
}
"""By synced path."""
