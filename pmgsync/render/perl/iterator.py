"""What FOREACH walks with, and what `loop` is."""

from __future__ import annotations

from collections.abc import Iterator as Iteration

from pmgsync.render.perl.operators import PerlDie
from pmgsync.render.perl.values import Thing, Value, is_true


class Iterator(Thing):
    """Walks over a list as it stands when walked; a list that grows meanwhile is not followed."""

    def __init__(self, data: Value) -> None:
        self._data = listed(data)
        self._index: int | None = None
        self._size = 0

    def walk(self) -> Iteration[Value]:
        """Each item, from the first."""
        if not self._start():
            return
        while True:
            yield self._item(self._index or 0)
            if not self._advance():
                return

    def _start(self) -> bool:
        if not self._data:
            return False
        self._size, self._index = len(self._data), 0
        return True

    def _advance(self) -> bool:
        if self._index is None or self._index >= self._size - 1:
            return False
        self._index += 1
        return True

    def _item(self, index: int) -> Value:
        return self._data[index] if 0 <= index < len(self._data) else None

    def member(self, name: str, arguments: list[Value]) -> Value:
        """`.count`, `.first`, `.last`, `.prev` and the others; undef before the walk has begun."""
        del arguments
        if name == "get_first":
            return self._item(0) if self._start() else _done()
        if name == "get_next":
            return self._item(self._index or 0) if self._advance() else _done()
        if name == "get_all":
            return self._rest()
        if self._index is None:
            return None
        return self._state(name, self._index)

    def _state(self, name: str, index: int) -> Value:
        is_odd = index % 2 == 0  # the first is number 1
        if "NUMBER" in name.upper():
            return index + 1
        if name in ("odd", "even"):
            return int(is_odd == (name == "odd"))
        if name == "parity":
            return "odd" if is_odd else "even"
        return {
            "size": self._size,
            "max": self._size - 1,
            "index": index,
            "count": index + 1,
            "first": int(index == 0),
            "last": int(index == self._size - 1),
            "prev": self._item(index - 1),
            "next": self._item(index + 1),
        }.get(name.lower())

    def _rest(self) -> Value:
        if self._index is None:
            if not self._start():
                return _done()
            rest = self._data[:]
        else:
            rest = self._data[self._index + 1 : self._size]
            if not rest:
                return _done()
        self._index = self._size - 1
        return rest


def _done() -> Value:
    """There is no item: the toolkit's own status, which reads as an error."""
    raise PerlDie("3")


def listed(data: Value) -> list[Value]:
    """What a loop walks over: a list; a hash's pairs by key; one value; nothing if it is false."""
    if isinstance(data, list):
        return data
    if isinstance(data, dict):
        return pairs(data)
    return [data] if is_true(data) else []


def pairs(data: dict[str, Value]) -> list[Value]:
    """`{key, value}` hashes, sorted by key."""
    return [{"key": key, "value": data[key]} for key in sorted(data)]
