"""Holds: while anybody holds, nothing is published; afterwards everything is, as one change set.

There may be any number of holders. Those of `pmgsync hold` are durable: they survive a restart of
the daemon. Those of `pmgsync run` belong to a connection and vanish with it. The messages of ended
holds wait for the change set that they led to.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from pmgsync.errors import MalformedError, StoreDamagedError
from pmgsync.model import canonical
from pmgsync.ports import Notebook

NOTE = "holds"


@dataclass(frozen=True, slots=True)
class Hold:
    """Who holds, since when (milliseconds since 1970), and what for; `number` tells it from
    others.
    """

    number: int
    who: str
    since: int
    message: str = ""
    durable: bool = False

    def to_json(self) -> dict[str, str | int]:
        """The hold as a note."""
        return {
            "number": self.number,
            "who": self.who,
            "since": self.since,
            "message": self.message,
        }

    @classmethod
    def from_json(cls, value: object) -> Self:
        """The durable hold in `value`; `MalformedError` for anything else."""
        fields = canonical.Fields(value, "a hold")
        hold = cls(
            number=fields.count("number"),
            who=fields.take("who", str),
            since=fields.count("since"),
            message=fields.take("message", str),
            durable=True,
        )
        fields.done()
        return hold


class Holds:
    """All holds of this master. A change to a durable one is on disk before it counts."""

    def __init__(self, notebook: Notebook) -> None:
        """Take up the durable holds from `notebook`."""
        self._notebook = notebook
        self._holds = {hold.number: hold for hold in _read(notebook)}
        self._next = max(self._holds, default=0) + 1
        self._messages: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._holds)

    @property
    def current(self) -> tuple[Hold, ...]:
        """The holds there are, oldest first."""
        return tuple(self._holds.values())

    def hold(self, who: str, now: int, *, message: str = "", durable: bool = False) -> Hold:
        """One more hold, from now on."""
        hold = Hold(self._next, who, now, message, durable)
        self._replace({**self._holds, hold.number: hold})
        self._next += 1
        return hold

    def end(self, hold: Hold, message: str = "") -> None:
        """The hold is over; nothing if it was already. Its message is `message`, or the one it
        began with.
        """
        if hold.number in self._holds:
            self._replace({n: h for n, h in self._holds.items() if n != hold.number})
            self._say(message or hold.message)

    def release(self, message: str = "") -> tuple[Hold, ...]:
        """End all durable holds; which they were. Those of running commands end with their
        commands.
        """
        over = tuple(hold for hold in self._holds.values() if hold.durable)
        self._replace({n: hold for n, hold in self._holds.items() if not hold.durable})
        for text in [message] if message else [hold.message for hold in over]:
            self._say(text)
        return over

    @property
    def message(self) -> str:
        """What the ended holds had to say and no change set carries yet."""
        return "; ".join(self._messages)

    def spoken(self) -> None:
        """A change set carries the messages, or there was nothing to say them about."""
        self._messages.clear()

    def _say(self, message: str) -> None:
        if message and message not in self._messages:
            self._messages.append(message)

    def _replace(self, holds: dict[int, Hold]) -> None:
        before, after = _durable(self._holds.values()), _durable(holds.values())
        if before != after:
            self._notebook.write_note(NOTE, after or None)
        self._holds = holds


def _durable(holds: Iterable[Hold]) -> list[dict[str, str | int]]:
    return [hold.to_json() for hold in holds if hold.durable]


def _read(notebook: Notebook) -> list[Hold]:
    rows = notebook.note(NOTE)
    try:
        if rows is not None and not isinstance(rows, list):
            raise MalformedError("is not a list")
        return [Hold.from_json(row) for row in rows or []]
    except MalformedError as error:
        raise StoreDamagedError(
            f"the holds in it cannot be read: {error.what}", where="database", mend="move it away"
        ) from None
