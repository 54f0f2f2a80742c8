"""PURE: what the local API says of members, tokens and requests, for both of its ends.

The rules are those of `answers.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from pmgsync.model.canonical import Fields


@dataclass(frozen=True, slots=True)
class TokenLine:
    """One join token; never its secret. `expires` in milliseconds since 1970."""

    token: str
    state: str
    expires: int
    wrong_proofs: int

    def to_json(self) -> dict[str, Any]:
        """The document."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: object) -> TokenLine:
        """The token in `value`."""
        fields = Fields(value, "a token")
        return cls(
            token=fields.take("token", str),
            state=fields.take("state", str),
            expires=fields.count("expires"),
            wrong_proofs=fields.count("wrong_proofs"),
        )
