"""The options of `section: mail`; see `schema.py`."""

from pmgsync.pmgconf.formats import DNSBL_LIST
from pmgsync.pmgconf.setting import (
    COUNT,
    FLAG,
    HOST,
    PORT,
    Setting,
    max_filters,
    max_policy,
    max_smtpd,
    one_of,
    whole,
)
from pmgsync.pmgconf.values import OptionRule

MAIL = (
    Setting(
        "accept-broken-mime",
        FLAG,
        0,
        "Let mails pass whose MIME structure cannot be read. What cannot be read cannot be "
        "filtered either.",
    ),
    Setting(
        "banner",
        OptionRule(most_bytes=1024),
        "ESMTP Proxmox",
        "What Postfix says after its host name when somebody connects.",
    ),
    Setting(
        "before_queue_filtering",
        FLAG,
        0,
        "Filter while the sender is still connected, so that a blocked mail is refused instead of "
        "accepted and dropped.",
    ),
    Setting(
        "conn_count_limit",
        COUNT,
        50,
        "How many connections one client may have at the same time; 0 is no limit.",
    ),
    Setting(
        "conn_rate_limit",
        COUNT,
        0,
        "How many connections one client may open in a minute; 0 is no limit.",
    ),
    Setting(
        "dnsbl_sites",
        OptionRule(format=DNSBL_LIST),
        None,
        "The DNS blocklists (and welcomelists, with a negative weight) that postscreen asks about "
        "each client before it may speak.",
    ),
    Setting(
        "dnsbl_threshold",
        COUNT,
        1,
        "From which sum of the weights of dnsbl_sites on a client is refused.",
    ),
    Setting(
        "dwarning",
        COUNT,
        4,
        "After how many hours in the queue the sender is told that a mail is late; 0 never tells.",
    ),
    Setting(
        "ext_port",
        PORT,
        25,
        "The port for mail from outside, which is not trusted. It must differ from int_port.",
    ),
    Setting(
        "filter-timeout",
        whole(2, 86400),
        600,
        "For how many seconds a mail may be worked on by the filter before Postfix gives up and "
        "tries again later.",
    ),
    Setting(
        "greylist",
        FLAG,
        1,
        "Turn unknown clients with an IPv4 address away once, and let them in when they come back.",
    ),
    Setting(
        "greylist6",
        FLAG,
        0,
        "The same for clients with an IPv6 address.",
    ),
    Setting(
        "greylistmask4",
        whole(0, 32),
        24,
        "How many bits of an IPv4 address greylisting looks at: 24 takes a /24 network for one "
        "client.",
    ),
    Setting(
        "greylistmask6",
        whole(0, 128),
        64,
        "How many bits of an IPv6 address greylisting looks at.",
    ),
    Setting(
        "helotests",
        FLAG,
        0,
        "Refuse clients whose HELO is no valid, fully qualified host name.",
    ),
    Setting(
        "hide_received",
        FLAG,
        0,
        "Take the Received headers out of outgoing mails, which tell about the network inside.",
    ),
    Setting(
        "int_port",
        PORT,
        26,
        "The port for outgoing mail from inside, which is trusted. It must differ from ext_port.",
    ),
    Setting(
        "log-headers",
        FLAG,
        0,
        "Write envelope addresses and the main headers of each mail to the log.",
    ),
    Setting(
        "max_filters",
        whole(3, 40),
        max_filters,
        "How many processes filter mails at the same time. Each needs about 150 MiB of memory.",
    ),
    Setting(
        "max_policy",
        whole(2, 10),
        max_policy,
        "How many processes answer Postfix's questions about greylisting and SPF.",
    ),
    Setting(
        "max_smtpd_in",
        whole(3, 100),
        max_smtpd,
        "How many clients from outside Postfix serves at the same time.",
    ),
    Setting(
        "max_smtpd_out",
        whole(3, 100),
        max_smtpd,
        "How many clients from inside Postfix serves at the same time.",
    ),
    Setting(
        "maxsize",
        whole(1024),
        10485760,
        "The size in bytes of the largest mail that is accepted. Attachments grow by a third on "
        "their way.",
    ),
    Setting(
        "message_rate_limit",
        COUNT,
        0,
        "How many mails one client may deliver in a minute; 0 is no limit.",
    ),
    Setting(
        "ndr_on_block",
        FLAG,
        0,
        "Tell the sender when a mail was blocked. Senders of spam are forged: this tells the "
        "wrong people, unless filtering is before the queue.",
    ),
    Setting(
        "queue-lifetime",
        whole(1, 100),
        None,
        "For how many days Postfix tries to deliver a mail before it goes back to its sender; "
        "unset leaves Postfix's own 5 days.",
    ),
    Setting(
        "rejectunknown",
        FLAG,
        0,
        "Refuse clients whose address has no name in the DNS that leads back to it.",
    ),
    Setting(
        "rejectunknownsender",
        FLAG,
        0,
        "Refuse mails whose sender's domain has neither an MX nor an address in the DNS.",
    ),
    Setting(
        "relay",
        HOST,
        None,
        "The mail server inside to which mail for the relay domains goes, where the transport "
        "table names no other.",
    ),
    Setting(
        "relaynomx",
        FLAG,
        0,
        "Take the relay's own address instead of asking the DNS for its MX (SMTP only).",
    ),
    Setting("relayport", PORT, 25, "The port of the relay."),
    Setting(
        "relayprotocol",
        one_of("smtp", "lmtp"),
        "smtp",
        "The protocol that the relay speaks.",
    ),
    Setting(
        "smarthost",
        HOST,
        None,
        "The server to which all outgoing mail goes; unset delivers it straight to the receivers' "
        "MX.",
    ),
    Setting("smarthostport", PORT, 25, "The port of the smarthost."),
    Setting(
        "smtputf8",
        FLAG,
        1,
        "Accept mail addresses with letters beyond ASCII (SMTPUTF8). The servers inside have to "
        "understand it too.",
    ),
    Setting(
        "spf",
        FLAG,
        1,
        "Check by SPF whether a client may send for the sender's domain.",
    ),
    Setting(
        "tls",
        FLAG,
        0,
        "Offer TLS to clients and use it towards servers that offer it. The TLS policies count "
        "only while it is on.",
    ),
    Setting(
        "tlsheader",
        FLAG,
        0,
        "Write protocol and cipher of the connection into the Received header.",
    ),
    Setting("tlslog", FLAG, 0, "Write a summary of each TLS connection to the log."),
    Setting(
        "verifyreceivers",
        one_of("450", "550"),
        None,
        "Ask the server inside whether a receiver exists before a mail is accepted; unknown ones "
        "are refused with this code (450: for now, 550: for good). Unset does not ask.",
    ),
)
