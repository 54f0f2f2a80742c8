"""Writes docs/options.md from the schema of pmg.conf. A test compares the two.

python docs/generate_options.py
"""

from collections.abc import Iterator
from pathlib import Path

from pmgsync.pmgconf.schema import SECTIONS
from pmgsync.pmgconf.setting import Setting

PAGE = Path(__file__).with_name("options.md")

HEAD = """\
# Options of pmg.conf

<!-- Written by docs/generate_options.py. -->

`/etc/pmg/pmg.conf` is PMG's main configuration. Every option is optional; what the file does not
set, or sets to something that PMG does not accept, has its default. `pmgsync config describe
SECTION.KEY` shows the same; `pmgsync config set` changes the file.

The file has sections. An option stands on a line of its own, with white space before it; an empty
line ends the section; lines that begin with `#` are comments:

```
section: mail
\trelay mx.example.com
\ttls 1

section: admin
\temail postmaster@example.com
```

*By memory*, with M the whole MiB of the machine: `max_filters` is 3, and one more for each 150 MiB
beyond what the rest of the system needs (2560 MiB; below 3840 MiB five eighths of M, at least 512),
at most 38. `max_smtpd_in` and `max_smtpd_out` are 25, and one more for each 20 MiB beyond 512, at
most 100. `max_policy` is 5 from 500 MiB on, else 2.
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(map(section, SECTIONS))


def section(name: str) -> str:
    """The table of one section."""
    return "\n".join([f"\n## section: {name}\n", *rows(name), ""])


def rows(section_name: str) -> Iterator[str]:
    """A line for each option."""
    yield "| option | type | allowed | default | meaning |"
    yield "| --- | --- | --- | --- | --- |"
    for setting in SECTIONS[section_name].values():
        cells = [
            f"`{setting.name}`",
            setting.rule.type.value,
            setting.rule.allowed,
            default(setting),
            setting.meaning,
        ]
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def default(setting: Setting) -> str:
    """The default, as a cell."""
    if callable(setting.default):
        return "*by memory*"
    if setting.default is None:
        return "none"
    return f"`{setting.default}`" if setting.default != "" else "empty"


if __name__ == "__main__":
    PAGE.write_text(page())
