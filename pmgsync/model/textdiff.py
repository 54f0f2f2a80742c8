"""What changed within a file, as text that may be shown to people.

Nothing secret leaves this module: of files that are secret by the scope table only the sizes are
told, and so of a file that holds a private key; elsewhere what looks like a credential is masked
in each line that is shown. (The difference is taken before masking: a changed password is seen to
have changed.) The result is bounded, and control characters are escaped.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pmgsync.model.credentials import mask_credentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pmgsync.model.scope import Rule

MAX_COMPARED_LINES = 4_000
"""Changed regions with more lines are only counted."""
MAX_WORK = 100_000
"""So are those in which so many pairs of lines are equal: each of them has to be looked at."""
MAX_SHOWN_LINES = 400
MAX_LINE_CHARACTERS = 1_000
MAX_MASKED_CHARACTERS = 4 * MAX_LINE_CHARACTERS
"""Of a longer line the rest is not even looked at."""
CONTEXT = 3

_PRIVATE_KEY = b"PRIVATE KEY-----"


def text_diff(path: str, old: bytes | None, new: bytes | None, rule: Rule | None) -> str | None:
    """A unified diff, or one line in parentheses where contents are not shown; None: they are
    equal.

    None for `old` or `new` is a file that is not there. Without a rule a file counts as secret.
    """
    if old == new:
        return None
    if rule is None or rule.secret or _PRIVATE_KEY in (old or b"") or _PRIVATE_KEY in (new or b""):
        return f"(secret: content not shown; {_sizes(old, new)})"
    before, after = _lines(old), _lines(new)
    if before is None or after is None:
        return f"(not text: content not shown; {_sizes(old, new)})"
    return _unified(path, old is None, new is None, before, after)


def _unified(path: str, added: bool, deleted: bool, old: list[str], new: list[str]) -> str:
    head, tail = _common(old, new)
    middle_old, middle_new = old[head : len(old) - tail], new[head : len(new) - tail]
    most = max(len(middle_old), len(middle_new))
    if most > MAX_COMPARED_LINES or _work(middle_old, middle_new) > MAX_WORK:
        # not compared: all that differs counts as replaced
        return f"(large: {len(middle_old):,} lines replaced by {len(middle_new):,})"
    start = max(head - CONTEXT, 0)
    end = max(tail - CONTEXT, 0)
    part_old, part_new = old[start : len(old) - end], new[start : len(new) - end]
    body = list(_hunks(part_old, part_new, start))
    names = (
        "--- /dev/null" if added else f"--- a/{_shown(path)}",
        "+++ /dev/null" if deleted else f"+++ b/{_shown(path)}",
    )
    rest = len(body) - MAX_SHOWN_LINES
    if rest > 0:
        body = [*body[:MAX_SHOWN_LINES], f"({rest:,} more lines)"]
    return "\n".join([*names, *body]) + "\n"


def _work(old: Sequence[str], new: Sequence[str]) -> int:
    """How many pairs of equal lines there are; many equal lines make it grow with the square."""
    again = Counter(new)
    return sum(count * again[line] for line, count in Counter(old).items())


def _common(old: Sequence[str], new: Sequence[str]) -> tuple[int, int]:
    """How many lines are equal at the beginning and, beyond those, at the end."""
    most = min(len(old), len(new))
    head = next((n for n in range(most) if old[n] != new[n]), most)
    most -= head
    tail = next((n for n in range(most) if old[-1 - n] != new[-1 - n]), most)
    return head, tail


def _hunks(old: list[str], new: list[str], offset: int) -> Iterator[str]:
    from difflib import SequenceMatcher  # a node that shows nothing does not carry it

    for group in SequenceMatcher(None, old, new, autojunk=False).get_grouped_opcodes(CONTEXT):
        _, old_start, _, new_start, _ = group[0]
        _, _, old_end, _, new_end = group[-1]
        yield (f"@@ -{_range(old_start, old_end, offset)} +{_range(new_start, new_end, offset)} @@")
        for kind, i1, i2, j1, j2 in group:
            if kind == "equal":
                yield from (_line(" ", line) for line in old[i1:i2])
                continue
            yield from (_line("-", line) for line in old[i1:i2])
            yield from (_line("+", line) for line in new[j1:j2])


def _range(start: int, end: int, offset: int) -> str:
    """Lines `start` to `end` of the part that begins at `offset`, as a unified diff counts them."""
    count = end - start
    first = start + offset + (1 if count else 0)
    return str(first) if count == 1 else f"{first},{count}"


def _line(sign: str, line: str) -> str:
    text = line.removesuffix("\n")
    shown = _shown(mask_credentials(text[:MAX_MASKED_CHARACTERS]))
    if len(shown) > MAX_LINE_CHARACTERS:
        shown = f"{shown[:MAX_LINE_CHARACTERS]}… ({len(text):,} characters)"
    unended = "" if line.endswith("\n") else "\n\\ No newline at end of file"
    return f"{sign}{shown}{unended}"


def _shown(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _lines(data: bytes | None) -> list[str] | None:
    """The lines of a text with their ends; None if it is not text."""
    try:
        text = (data or b"").decode("utf-8")
    except UnicodeDecodeError:
        return None
    if "\0" in text:
        return None
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])


def _sizes(old: bytes | None, new: bytes | None) -> str:
    if old is None:
        return f"{len(new or b''):,} bytes"
    if new is None:
        return f"{len(old):,} bytes before"
    return f"{len(old):,} bytes before, {len(new):,} now"
