"""What PMG itself knows a node by: its cid and the keys in `cluster.conf`.

Apart from the membership, so that reading `cluster.conf` needs no cryptography.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pmgsync.errors import MalformedError
from pmgsync.model.paths import printable

MAX_CID = 2**31 - 1

_PMG_KEY = re.compile(r"[A-Za-z0-9./+=:_-]{0,4096}")


@dataclass(frozen=True, slots=True)
class PmgKeys:
    """The keys that PMG's own `cluster.conf` must name for a node; pmgsync trusts none of them.

    They end up in `cluster.conf`, and through PMG in root's `authorized_keys`, so they hold no
    character that could end a line or a word there.
    """

    fingerprint: str
    host_rsa: str
    root_rsa: str

    def __post_init__(self) -> None:
        for text in (self.fingerprint, self.host_rsa, self.root_rsa):
            if _PMG_KEY.fullmatch(text) is None:
                raise MalformedError("is not a key or fingerprint", where=printable(text[:80]))
