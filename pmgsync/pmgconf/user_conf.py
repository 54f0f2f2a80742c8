"""PMG's `user.conf`: who may log in, bytes to values and back.

    # a comment
    userid:enable:expire:crypt_pass:role:email:firstname:lastname:keys:

PMG drops a line that has not this form, and an entry with a value that its schema refuses. A user
without `@REALM` is of the realm `pmg`. `root@pam` is always there, whatever the file says: enabled,
without an end and a password; `root@pmg` is a name of the same. A user other than root with the
role root is kept, but PMG cannot write the file while there is one. An empty value and `0` are the
same as none.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pmgsync.pmgconf.file_kind import kind_of_entries
from pmgsync.pmgconf.findings import Finding, Findings
from pmgsync.pmgconf.formats import BLANKS, is_email
from pmgsync.pmgconf.lists import decoded, encoded, shown

ROOT = "root@pam"
ROOT_COMMENT = "Unix Superuser"
OWN_REALM = "pmg"
ROLES = ("root", "admin", "helpdesk", "qmanager", "audit")
SHORTEST_USERID, LONGEST_USERID = 4, 64
LONGEST_NAME = 64
LONGEST_KEYS = 128

_FIELD, _WORD = "[^:\n]*", f"[^:{BLANKS}]*"
_LINE = re.compile(
    f"([^:{BLANKS}]+):([01]?):([0-9]*):({_WORD}):([a-z]+):({_WORD}):({_FIELD}):({_FIELD}):({_FIELD}):"
)
_USERID = re.compile(rf"[^{BLANKS}:/]+@[A-Za-z][A-Za-z0-9._-]+")
_CRYPT_PASS = re.compile(r"\$[0-9]\$[A-Za-z0-9./]+\$[A-Za-z0-9./]+")
_FORM = "`userid:enable:expire:crypt_pass:role:email:firstname:lastname:keys:`"


@dataclass(frozen=True, slots=True)
class User:
    """One user. `expire` is in seconds since 1970, as digits; `0` is never.

    Its password's hash and its keys for a second factor stay out of its `repr`.
    """

    userid: str
    enable: bool = False
    expire: str = "0"
    crypt_pass: str = field(default="", repr=False)
    role: str = ""
    email: str = ""
    firstname: str = ""
    lastname: str = ""
    keys: str = field(default="", repr=False)
    comment: str = ""
    line: int = 0

    @property
    def name(self) -> str:
        """The part before the realm."""
        return self.userid.rpartition("@")[0]

    @property
    def realm(self) -> str:
        """Who checks the password."""
        return self.userid.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class UserConf:
    """What `user.conf` says: users by userid, in the order of the file.

    `unread` are the numbers of lines that PMG drops; `unkept` those of comments that it would not
    write again.
    """

    entries: Mapping[str, User]
    findings: tuple[Finding, ...] = ()
    unread: tuple[int, ...] = ()
    unkept: tuple[int, ...] = ()


def parse(data: bytes) -> UserConf:
    """What `data` says. Never raises."""
    return _Reading().of(decoded(data))


def dump(users: Iterable[User]) -> bytes:
    """The file as PMG writes it, with root, sorted by userid (PMG's own order is a chance one)."""
    by_id = {user.userid: user for user in users}
    by_id[ROOT] = as_root(by_id.get(ROOT))
    return b"".join(_line(by_id[userid]) for userid in sorted(by_id, key=encoded))


KIND = kind_of_entries(parse, dump)


def as_root(user: User | None) -> User:
    """The superuser: what PMG makes of an entry that the file may have for it."""
    return replace(
        user or User(ROOT),
        userid=ROOT,
        enable=True,
        expire="0",
        crypt_pass="",
        role="root",
        comment=ROOT_COMMENT,
    )


def faults(user: User) -> Iterator[str]:
    """Why PMG's schema refuses an entry; nothing where it is fine. Shows no secret."""
    if userid_fault(user.userid):
        yield userid_fault(user.userid)
    if user.crypt_pass and not _CRYPT_PASS.fullmatch(user.crypt_pass):
        yield "the password's hash has not the form $DIGIT$SALT$HASH"
    if user.role not in ROLES:
        yield f"there is no role {shown(user.role)}"
    if user.email and not is_email(user.email):
        yield f"{shown(user.email)} is no e-mail address"
    for what, value, most in (
        ("first name", user.firstname, LONGEST_NAME),
        ("last name", user.lastname, LONGEST_NAME),
        ("list of keys", user.keys, LONGEST_KEYS),
    ):
        if len(encoded(value)) > most:
            yield f"the {what} is longer than {most} bytes"


def userid_fault(userid: str) -> str:
    """Why a userid with its realm is refused; empty where it is fine."""
    if not SHORTEST_USERID <= len(encoded(userid)) <= LONGEST_USERID:
        return f"{shown(userid)} has not {SHORTEST_USERID} to {LONGEST_USERID} bytes"
    if not _USERID.fullmatch(userid):
        return f"{shown(userid)} is no user name (no blanks, `:` or `/`; then @REALM)"
    return ""


def _line(user: User) -> bytes:
    # What is left of a name with an `@` in it would be read as another realm's.
    is_short = user.userid == ROOT or (user.realm == OWN_REALM and "@" not in user.name)
    name = user.name if is_short else user.userid
    values = (
        *(name, "1" if user.enable else "0", user.expire or "0", user.crypt_pass, user.role),
        *(user.email, user.firstname, user.lastname, user.keys),
    )
    comment = f"#{user.comment}\n" if _given(user.comment) else ""
    return encoded(f"{comment}{':'.join(values)}:\n")


def _given(value: str) -> str:
    """The value, or nothing where Perl would take it for nothing."""
    return "" if value == "0" else value


class _Reading:
    """One pass over a file."""

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.findings = Findings()
        self.unread: list[int] = []
        self.unkept: list[int] = []

    def of(self, text: str) -> UserConf:
        comment, comment_line = "", 0
        for number, line in enumerate(text.split("\n"), 1):
            if not line.strip(BLANKS):
                continue
            if line[0] == "#":
                self._lose(comment_line)
                comment, comment_line = line[1:], number
                continue
            if not self._entry(number, line, comment):
                self._lose(comment_line)
            comment, comment_line = "", 0
        self._lose(comment_line)
        self._take_root()
        return UserConf(self.users, self.findings.all(), tuple(self.unread), tuple(self.unkept))

    def _entry(self, number: int, line: str, comment: str) -> bool:
        match = _LINE.fullmatch(line)
        if match is None:
            self._drop(number, "is no user, so PMG ignores the line", f"write {_FORM}")
            return False
        user = _user(match, comment, number)
        reasons = list(faults(user))
        if reasons:
            self._drop(number, f"PMG drops this user: {'; '.join(reasons)}", "correct it")
            return False
        self._take(user)
        return True

    def _take(self, user: User) -> None:
        if earlier := self.users.pop(user.userid, None):
            self.findings.warning(
                user.line,
                f"{shown(user.userid)} already stands in line {earlier.line}; this one counts",
                "remove one",
            )
        self.users[user.userid] = user
        if user.role == "root" and user.userid not in (ROOT, "root@pmg"):
            what = f"{shown(user.userid)} has the role root, so PMG cannot write this file any more"
            self.findings.error(user.line, what, "give it the role admin")

    def _take_root(self) -> None:
        """PMG's root, made of what the file says; first where the file does not name it."""
        named = self.users.pop("root@pmg", None) or self.users.get(ROOT)
        self.users = {ROOT: as_root(named)} | {
            userid: user for userid, user in self.users.items() if userid != ROOT
        }

    def _drop(self, number: int, what: str, mend: str) -> None:
        self.unread.append(number)
        self.findings.error(number, what, mend)

    def _lose(self, comment_line: int) -> None:
        if comment_line:
            self.unkept.append(comment_line)


def _user(match: re.Match[str], comment: str, number: int) -> User:
    name, enable, expire, crypt_pass, role, *rest = match.groups()
    email, firstname, lastname, keys = map(_given, rest)
    return User(
        userid=name if "@" in name else f"{name}@{OWN_REALM}",
        enable=enable == "1",
        expire=expire or "0",
        crypt_pass=_given(crypt_pass),
        role=role,
        email=email,
        firstname=firstname,
        lastname=lastname,
        keys=keys,
        comment=_given(comment),
        line=number,
    )
