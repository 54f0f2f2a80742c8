"""What is wrong with a template, and where.

`TemplateError` is the one error that leaves this package: it names the template, the line and what
is wrong there. The admin must change the template (or a value that it reads): `InvalidError`.
"""

from __future__ import annotations

from pmgsync.errors import InvalidError

MOST_SHOWN = 120
"""Characters of the offending line that an error shows."""


class TemplateError(InvalidError):
    """`name` line `line` cannot be compiled or run; reads `NAME line N: what: [% the tag %]`.

    `line` is 0 where none is known (the template itself is missing).
    """

    def __init__(self, what: str, *, name: str, line: int = 0, source: str = "") -> None:
        self.name = name
        self.line = line
        self.source = source
        where = f"{name} line {line}" if line else name
        shown = " ".join(source.split())
        if len(shown) > MOST_SHOWN:
            shown = f"{shown[: MOST_SHOWN - 3]}..."
        super().__init__(f"{what}: {shown}" if shown else what, where=where)


class LimitError(TemplateError):
    """The template wants more steps, output, time or depth than a template may have."""


def fail(what: str, *, name: str, line: int, source: str = "") -> TemplateError:
    """The error that every stage of the compiler raises: `raise fail(...)`."""
    return TemplateError(what, name=name, line=line, source=source)
