"""Where LAST and NEXT lead."""

from __future__ import annotations

from collections.abc import Iterator

from pmgsync.render.tt2.nodes import (
    AnonymousBlock,
    Body,
    Capture,
    Filter,
    Foreach,
    If,
    Leave,
    Macro,
    Statement,
    Switch,
    Try,
    While,
    Wrapper,
)

_TAKEN = AnonymousBlock | Capture | Filter | Macro | Try | Wrapper
"""Statements whose body is a Jinja2 block of its own."""


def leaves_through(loop: Foreach | While) -> bool:
    """Whether a LAST or NEXT of this loop stands in a body of its own: `break` cannot do it.

    A loop that follows its body (`x FOREACH y`) is none that LAST in it is meant for.
    """
    return any(is_taken for _, is_taken in _leaves(loop.body, loop.is_postfix))


def leaves_nearest_block(switch: Switch) -> bool:
    """Whether a LAST or NEXT stands in this switch, outside of loops inside it."""
    return any(_leaves((switch,), False))


def leaves_block(body: Body) -> bool:
    """Whether a LAST or NEXT stands in this body, outside of loops inside it."""
    return any(_leaves(body, False))


def leaves_macro(body: Body, *, is_in_loop: bool) -> bool:
    """Whether a LAST or NEXT in this body of a MACRO would go on with a loop of whoever calls it:
    one outside of loops in it, and, if no loop is around the MACRO, outside of switches.
    """
    return any(_leaves(body, False, through_switches=is_in_loop))


def _leaves(
    body: Body, is_taken: bool, *, through_switches: bool = True
) -> Iterator[tuple[Leave, bool]]:
    for statement in body:
        if isinstance(statement, Switch) and not through_switches:
            continue
        if isinstance(statement, Leave):
            yield statement, is_taken
        elif isinstance(statement, Foreach | While):
            if statement.is_postfix:
                yield from _leaves(statement.body, True, through_switches=through_switches)
        else:
            is_own = is_taken or isinstance(statement, _TAKEN)
            for inner in _bodies(statement):
                yield from _leaves(inner, is_own, through_switches=through_switches)


def _bodies(statement: Statement) -> Iterator[Body]:
    if isinstance(statement, If):
        yield from (body for _, body in statement.branches)
    elif isinstance(statement, Switch):
        yield from (body for _, body in statement.cases)
        yield statement.default
    elif isinstance(statement, Try):
        yield from (statement.body, *(body for _, body in statement.handlers), statement.final)
    elif isinstance(statement, AnonymousBlock | Capture | Filter | Macro | Wrapper):
        yield statement.body
