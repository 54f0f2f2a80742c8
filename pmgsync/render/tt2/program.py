"""A compiled template: what Jinja2 made of it, and what Template Toolkit knows beside its code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jinja2 import Template as JinjaTemplate

from pmgsync.render.perl.values import Thing, Value

Lookup = Callable[[str], bytes | None]
"""The bytes of the template of that name; None if there is none. May raise TemplateError."""

MAIN = "main"
"""The Jinja2 block that holds the body of the template."""


@dataclass(frozen=True)
class Program:
    """`blocks`: for each BLOCK, the Jinja2 block that holds its body."""

    name: str
    source: str
    jinja: JinjaTemplate
    blocks: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)

    def line_text(self, line: int) -> str:
        """The source of one line, without the blanks around it."""
        lines = self.source.split("\n")
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""


class Document(Thing):
    """What `template` and `component` are: `.name`, and what META says."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.facts: dict[str, Value] = {**program.metadata, "name": program.name}
        self.is_running = False

    def member(self, name: str, arguments: list[Value]) -> Value:
        """`.name`, or an entry of META."""
        if arguments:  # an assignment: the toolkit ignores it
            return None
        return self.facts.get(name)
