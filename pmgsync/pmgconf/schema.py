"""The 87 options of `pmg.conf`, as data: what each may hold, what it is by default, what it means.

From these tables come validation, the template variables, `pmgsync config`, `docs/options.md` and
shell completion. Names, limits and defaults are PMG's; the meanings are our own words.
"""

from collections.abc import Iterator, Mapping

from pmgsync.pmgconf.formats import DNS_NAME, EMAIL
from pmgsync.pmgconf.schema_mail import MAIL
from pmgsync.pmgconf.setting import ANY, COUNT, DAYS, FLAG, HOST, PORT, Setting, one_of, whole
from pmgsync.pmgconf.values import OptionRule

ADMIN = (
    Setting(
        "admin-mail-from",
        OptionRule(pattern=r"[\x20-\x7e]{1,998}", words="1 to 998 printable ASCII characters"),
        "Proxmox Mail Gateway <postmaster>",
        "The From of mails that the system itself sends to the administrator: daily reports, "
        "notifications, warnings.",
    ),
    Setting(
        "advfilter",
        FLAG,
        0,
        "Restrict the statistics of receivers and contacts to those that have sent mail through "
        "this gateway themselves.",
    ),
    Setting(
        "avast",
        FLAG,
        0,
        "Scan mails with Avast too. Its scanner (/usr/bin/scan) has to be bought and installed "
        "first; without it nothing is scanned by it.",
    ),
    Setting(
        "clamav",
        FLAG,
        1,
        "Scan mails with ClamAV. With this off, and no other scanner on, no mail is checked for "
        "viruses.",
    ),
    Setting(
        "consent-text",
        OptionRule(most_bytes=65536),
        "",
        "A text that everybody has to agree to before the login window of the web interface "
        "appears; empty shows none.",
    ),
    Setting(
        "custom_check",
        FLAG,
        0,
        "Run an own program on each mail (see custom_check_path), which may call it a virus or "
        "add to its spam score.",
    ),
    Setting(
        "custom_check_path",
        OptionRule(pattern=r"/(?:[^/\0]+/)+[^/\0]+", words="an absolute path with a folder in it"),
        "/usr/local/bin/pmg-custom-check",
        "Where the program for custom_check lies. It has to be there, and executable, on every "
        "node.",
    ),
    Setting(
        "dailyreport",
        FLAG,
        1,
        "Mail a report of the last day's traffic to the administrator (see email).",
    ),
    Setting(
        "demo",
        FLAG,
        0,
        "Use the demo templates of main.cf and master.cf: no mail is filtered. Never on a "
        "gateway that carries mail.",
    ),
    Setting(
        "dkim-use-domain",
        one_of("header", "envelope"),
        "envelope",
        "Which sender decides whether a mail is DKIM-signed, and for which domain: that of the "
        "envelope, or that of the From header.",
    ),
    Setting(
        "dkim_selector",
        OptionRule(format=DNS_NAME),
        None,
        "The selector under which the public DKIM key stands in the DNS "
        "(SELECTOR._domainkey.DOMAIN); its private key lies in /etc/pmg/dkim/SELECTOR.private.",
    ),
    Setting(
        "dkim_sign",
        FLAG,
        0,
        "Sign outgoing mails of the DKIM domains with the key of dkim_selector.",
    ),
    Setting(
        "dkim_sign_all_mail",
        FLAG,
        0,
        "Sign every outgoing mail, also of domains that are not in the list of DKIM domains.",
    ),
    Setting(
        "email",
        OptionRule(format=EMAIL),
        "admin@domain.tld",
        "The administrator's address: reports and notifications go there, and so does what is "
        "mailed to root.",
    ),
    Setting(
        "http_proxy",
        OptionRule(pattern=r"http://.*", words="http://[USER:PASSWORD@]HOST[:PORT]/"),
        None,
        "The HTTP proxy through which rules, virus signatures and updates are fetched. User and "
        "password in it are readable for everybody on the machine.",
    ),
    Setting(
        "statlifetime",
        DAYS,
        7,
        "For how many days statistics of users and mails are kept in the database.",
    ),
)

SPAM = (
    Setting(
        "bounce_score",
        whole(0, 1000),
        0,
        "What being a bounce adds to a mail's spam score.",
    ),
    Setting(
        "clamav_heuristic_score",
        whole(0, 1000),
        3,
        "What a mere suspicion of ClamAV (a heuristic match, an encrypted archive) adds to a "
        "mail's spam score.",
    ),
    Setting(
        "extract_text",
        FLAG,
        0,
        "Read the text of attached documents and let the spam rules look at it too.",
    ),
    Setting(
        "languages",
        OptionRule(
            pattern=r"(?:all|(?:[a-z][a-z])+(?: (?:[a-z][a-z])+)*)",
            words="`all`, or language codes of two letters separated by single blanks",
        ),
        "all",
        "The languages in which mail is welcome; mail in others gets a higher spam score.",
    ),
    Setting(
        "maxspamsize",
        whole(64),
        262144,
        "Up to which size in bytes a mail is looked at by the spam rules.",
    ),
    Setting(
        "rbl_checks",
        FLAG,
        1,
        "Let SpamAssassin ask DNS blocklists about the servers that a mail came through.",
    ),
    Setting(
        "use_awl",
        FLAG,
        0,
        "Let what a sender has sent so far weigh in (SpamAssassin's auto welcomelist). Switching "
        "it off deletes what was learned.",
    ),
    Setting(
        "use_bayes",
        FLAG,
        0,
        "Let SpamAssassin learn from mails what is spam here (Bayes). Switching it off deletes "
        "what was learned.",
    ),
    Setting(
        "use_razor",
        FLAG,
        1,
        "Ask the Razor network whether others have reported a mail as spam.",
    ),
    Setting(
        "wl_bounce_relays",
        ANY,
        None,
        "More servers of our own (a list) whose bounces are answers to mail that really came from "
        "here.",
    ),
)

_ALLOW_HREFS = Setting(
    "allowhrefs",
    FLAG,
    1,
    "Let links in a quarantined mail be followed when it is looked at.",
)
_LIFETIME = Setting(
    "lifetime", DAYS, 7, "For how many days mails stay in this quarantine before they are deleted."
)
_VIEW_IMAGES = Setting(
    "viewimages",
    one_of("0", "1", "on-demand"),
    "1",
    "Show the images of a quarantined mail when it is looked at: never, always, or when asked to.",
)

SPAMQUAR = (
    _ALLOW_HREFS,
    Setting(
        "authmode",
        one_of("ticket", "ldap", "ldapticket"),
        "ticket",
        "How users enter their quarantine: with the ticket in a spam report, with their LDAP "
        "account, or with either.",
    ),
    Setting(
        "hostname",
        HOST,
        None,
        "The host that links in spam reports lead to; unset takes the node that sends the report.",
    ),
    _LIFETIME,
    Setting(
        "mailfrom",
        ANY,
        None,
        "The From of spam reports; unset makes it up from the host's name.",
    ),
    Setting(
        "port",
        PORT,
        8006,
        "The port in the links of spam reports, where a reverse proxy stands before the web "
        "interface.",
    ),
    Setting(
        "protocol",
        one_of("http", "https"),
        "https",
        "The scheme in the links of spam reports, where a reverse proxy stands before the web "
        "interface.",
    ),
    Setting(
        "quarantinelink",
        FLAG,
        0,
        "Let users ask for a link to their quarantine on the login page. Anybody can cause a mail "
        "that way.",
    ),
    Setting(
        "reportstyle",
        one_of("none", "short", "verbose", "custom"),
        "verbose",
        "Which spam report users get: none, a short or a long one, or one by an own template.",
    ),
    _VIEW_IMAGES,
)

VIRUSQUAR = (_ALLOW_HREFS, _LIFETIME, _VIEW_IMAGES)

CLAMAV = (
    Setting(
        "archiveblockencrypted",
        FLAG,
        0,
        "Take encrypted archives and documents for a suspicion (see "
        "spam.clamav_heuristic_score): nobody can look into them.",
    ),
    Setting(
        "archivemaxfiles",
        COUNT,
        1000,
        "How many files of one archive are scanned at most; 0 is no limit, which is dangerous.",
    ),
    Setting(
        "archivemaxrec",
        whole(1),
        5,
        "How deep archives within archives are scanned.",
    ),
    Setting(
        "archivemaxsize",
        whole(1000000),
        25000000,
        "The size in bytes of the largest file that is scanned.",
    ),
    Setting(
        "dbmirror",
        ANY,
        "database.clamav.net",
        "The server from which virus signatures are fetched.",
    ),
    Setting(
        "maxcccount",
        COUNT,
        0,
        "From how many credit card or social security numbers on a file is a hit; 0 does not "
        "look for them.",
    ),
    Setting(
        "maxscansize",
        whole(1000000),
        100000000,
        "How many bytes of one mail, unpacked, are scanned at most.",
    ),
    Setting(
        "scriptedupdates",
        FLAG,
        1,
        "Fetch changes to the virus signatures instead of the whole database each time.",
    ),
)

SECTIONS: Mapping[str, Mapping[str, Setting]] = {
    name: {setting.name: setting for setting in settings}
    for name, settings in (
        ("admin", ADMIN),
        ("clamav", CLAMAV),
        ("mail", MAIL),
        ("spam", SPAM),
        ("spamquar", SPAMQUAR),
        ("virusquar", VIRUSQUAR),
    )
}
"""Section name to option name to its row."""


def keys() -> Iterator[str]:
    """`SECTION.KEY` of every option, sorted."""
    for section, settings in SECTIONS.items():
        yield from (f"{section}.{name}" for name in settings)
