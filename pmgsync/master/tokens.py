"""The join tokens that this master gave out. Durable: a token outlives the daemon that made it, but
not 15 minutes, one use, or a few wrong proofs.

What became of a token is remembered until it would have run out, and said to nobody but the log.
"""

import base64
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from secrets import token_bytes

from pmgsync.errors import MalformedError, OperatorError, StoreDamagedError
from pmgsync.model import canonical
from pmgsync.model.joining import MAX_WRONG_PROOFS, SECRET_BYTES, TOKEN_LIFE_MS, Token
from pmgsync.model.keys import decode_base64
from pmgsync.model.manifest import Digest
from pmgsync.ports import Clock, Notebook

NOTE = "join tokens"
NAMED = "join tokens name"
"""The note of the certificate that the tokens name: a digest."""
MAX_TOKENS = 1000


class TokenState(Enum):
    """Whether a token opens anything."""

    GOOD = "good"
    USED = "used"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token as the master remembers it; `expires` in milliseconds since 1970."""

    token_id: str
    secret: bytes
    expires: int
    state: TokenState = TokenState.GOOD
    wrong_proofs: int = 0

    def to_json(self) -> dict[str, str | int]:
        """The token as a note."""
        return {
            "id": self.token_id,
            "secret": base64.b64encode(self.secret).decode("ascii"),
            "expires": self.expires,
            "state": self.state.value,
            "wrong": self.wrong_proofs,
        }

    @classmethod
    def from_json(cls, value: object) -> "IssuedToken":
        """The token in `value`; `MalformedError` for anything else."""
        fields = canonical.Fields(value, "a token")
        state = fields.take("state", str)
        if state not in {known.value for known in TokenState}:
            raise MalformedError("a token has an unknown state")
        token = cls(
            token_id=fields.take("id", str),
            secret=decode_base64(fields.take("secret", str), "a token's secret"),
            expires=fields.count("expires"),
            state=TokenState(state),
            wrong_proofs=fields.count("wrong"),
        )
        fields.done()
        return token

    def __repr__(self) -> str:
        return f"<IssuedToken {self.token_id} {self.state.value}>"


class Tokens:
    """All tokens that have not run out."""

    def __init__(
        self, notebook: Notebook, clock: Clock, random: Callable[[int], bytes] = token_bytes
    ) -> None:
        self._notebook = notebook
        self._clock = clock
        self._random = random
        self._tokens = {token.token_id: token for token in _read(notebook)}

    def issue(self, certificate: Digest) -> Token:
        """A new token; `certificate` is the digest of what this master shows."""
        self.follow(certificate)
        token = Token(self._random(SECRET_BYTES), certificate)
        expires = self._clock.now() + TOKEN_LIFE_MS
        self._write(IssuedToken(token.token_id, token.secret, expires))
        return token

    def follow(self, certificate: Digest) -> int:
        """This master shows `certificate`: tokens that name another open nothing any more. How many
        good ones those were.
        """
        named, good = self._notebook.note(NAMED), self.all_good
        if named == certificate:
            return 0
        dead = good if named is not None else ()  # (a build before it did not write it down)
        for token in dead:
            self._write(replace(token, state=TokenState.REVOKED))
        self._notebook.write_note(NAMED, certificate)
        return len(dead)

    def good(self, token_id: str) -> IssuedToken | None:
        """The token, if it opens anything at this moment."""
        token = self._tokens.get(token_id)
        if token is None or token.state is not TokenState.GOOD:
            return None
        return token if self._is_alive(token) else None

    def use(self, token: IssuedToken) -> None:
        """It has let somebody in and opens nothing any more."""
        self._write(replace(token, state=TokenState.USED))

    def unuse(self, token: IssuedToken) -> None:
        """It let nobody in after all."""
        self._write(replace(token, state=TokenState.GOOD))

    def proved_wrong(self, token: IssuedToken) -> None:
        """Somebody who does not know the secret tried; after a few times it is revoked."""
        wrong = token.wrong_proofs + 1
        state = TokenState.REVOKED if wrong >= MAX_WRONG_PROOFS else token.state
        self._write(replace(token, wrong_proofs=wrong, state=state))

    @property
    def all_good(self) -> tuple[IssuedToken, ...]:
        """Those that open something."""
        return tuple(token for token in self.alive if token.state is TokenState.GOOD)

    @property
    def alive(self) -> tuple[IssuedToken, ...]:
        """All that have not run out, used and revoked ones included, newest last."""
        tokens = (token for token in self._tokens.values() if self._is_alive(token))
        return tuple(sorted(tokens, key=lambda token: token.expires))

    def revoke(self, start: str) -> IssuedToken:
        """The good token whose id begins with `start` opens nothing any more.

        Raises `OperatorError` where it is not exactly one.
        """
        found = [token for token in self.all_good if token.token_id.startswith(start)]
        if len(found) != 1 or not start:
            what = "several tokens begin so" if found and start else "there is no such good token"
            raise OperatorError(
                what, where=f"token {start[:20]}", mend="`pmgsync tokens list` shows them"
            )
        revoked = replace(found[0], state=TokenState.REVOKED)
        self._write(revoked)
        return revoked

    def why_not(self, token_id: str) -> str:
        """For the log of this master only."""
        token = self._tokens.get(token_id)
        if token is None:
            return "unknown or long expired"
        return "expired" if not self._is_alive(token) else token.state.value

    def _is_alive(self, token: IssuedToken) -> bool:
        # A clock that was set back must not make an old token live longer than a token can.
        return 0 < token.expires - self._clock.now() <= TOKEN_LIFE_MS

    def _write(self, token: IssuedToken) -> None:
        alive = [t for t in self._tokens.values() if self._is_alive(t)]
        others = [t for t in alive if t.token_id != token.token_id]
        tokens = {t.token_id: t for t in [*others[-MAX_TOKENS:], token]}
        self._notebook.write_note(NOTE, [t.to_json() for t in tokens.values()])
        self._tokens = tokens


def _read(notebook: Notebook) -> list[IssuedToken]:
    rows = notebook.note(NOTE)
    try:
        if rows is not None and not isinstance(rows, list):
            raise MalformedError("is not a list")
        return [IssuedToken.from_json(row) for row in rows or []]
    except MalformedError as error:
        raise StoreDamagedError(
            f"the tokens in it cannot be read: {error.what}", where="database", mend="move it away"
        ) from None
