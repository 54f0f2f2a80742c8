"""How a running template stops before its end, in Template Toolkit's terms.

A `Fault` is an error of a type (`undef`, `file`, `user.login`), or `return` or `stop`, and carries
the output made so far, as TRY, RETURN and STOP keep it. `LoopExit` is a LAST or NEXT that has to
cross the border of a captured body.
"""

from __future__ import annotations

from pmgsync.render.perl.values import Thing, Value, text


class _Reference(Thing):
    kind = "SCALAR"


class Fault(Exception, Thing):
    """`kind error - info`. `output` is the buffer that holds what was shown so far."""

    def __init__(self, kind: str, info: Value, output: list[str] | None = None) -> None:
        super().__init__(kind, info)
        self.type = kind
        self.info = info
        self.output = output
        self.place: tuple[str, int] | None = None  # template and line, where Perl's `die` was

    def take_into(self, buffer: list[str]) -> None:
        """Move what was shown so far into `buffer`, which now holds it."""
        if self.output is not None and self.output is not buffer:
            buffer.extend(self.output)
        self.output = buffer

    def handler_among(self, types: list[str]) -> str | None:
        """The most exact of `types` that this error is: `a.b.c`, else `a.b`, else `a`."""
        kind = self.type
        while kind:
            if kind in types:
                return kind
            kind = kind.rpartition(".")[0]
        return None

    @property
    def is_signal(self) -> bool:
        """RETURN or STOP, which no CATCH catches."""
        return self.type.startswith("return") or self.type.endswith("stop")

    def member(self, name: str, arguments: list[Value]) -> Value:
        """`.type`, `.info`, `.text`, `.type_info`."""
        del arguments
        if name == "type":
            return self.type
        if name == "info":
            return self.info
        if name == "text":
            return "".join(self.output or [])
        if name == "type_info":
            return [self.type, self.info]
        return self.as_text() if name == "as_string" else None

    def parts(self) -> list[Value]:
        """Type, info, and a reference to the text."""
        return [self.type, self.info, None if self.output is None else _Reference()]

    def as_text(self) -> str:
        return f"{self.type} error - {text(self.info)}"


class LoopExit(Exception):
    """LAST, or NEXT, for the loop `label`; 0 is the nearest block, whatever it is."""

    def __init__(self, label: int, is_next: bool) -> None:
        super().__init__(label, is_next)
        self.label = label
        self.is_next = is_next


class Exhausted(Exception):
    """The template wants more than it may have: steps, output, time, depth. Nothing catches it."""
