"""How much one template may have to be compiled, in Template Toolkit or in Jinja2. Compiling takes
memory and time by the token, and no clock can interrupt Python's own compiler.
"""

from __future__ import annotations

MOST_SOURCE = 2**18
"""Bytes of one template's source."""
MOST_TOKENS = 10_000
"""Words and signs in the tags of one template, and texts between them; PMG's largest has about 400.
Each takes up to 20 KB and 0.2 ms in Template Toolkit, half of that in Jinja2.
"""

IS_TOO_LARGE = f"is larger than {MOST_SOURCE >> 10} KiB"
TOO_MUCH_IN_TAGS = (
    f"has more than {MOST_TOKENS:,} words and signs in its tags: move lists of values out"
)
