"""Templates, from bytes to bytes: the stages in a row, and the one place where they are run.

`compile_template` is lexer, parser, emitter and Jinja2's compiler; `Templates` keeps what was
compiled, by content, and renders. Everything comes in as an argument: the templates by a lookup,
the time by a clock. Templates and values are bytes, read as Latin-1.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import cache

from jinja2.sandbox import SandboxedEnvironment

from pmgsync.render.adopting import adopted
from pmgsync.render.errors import LimitError, TemplateError
from pmgsync.render.perl.budget import Budget, Limits
from pmgsync.render.perl.faults import Exhausted, Fault, LoopExit
from pmgsync.render.perl.operators import PerlDie
from pmgsync.render.perl.values import text
from pmgsync.render.source_bounds import (
    IS_TOO_LARGE,
    MOST_SOURCE,
    MOST_TOKENS,
    TOO_MUCH_IN_TAGS,
)
from pmgsync.render.tt2.emit import emit
from pmgsync.render.tt2.lexer import Token, tokenize
from pmgsync.render.tt2.machine import BrokenTemplate, Machine, place
from pmgsync.render.tt2.operations import OPERATIONS
from pmgsync.render.tt2.options import Options
from pmgsync.render.tt2.parser import parse
from pmgsync.render.tt2.program import Lookup, Program


def compile_template(source: bytes, name: str, options: Options = Options()) -> Program:  # noqa: B008
    """The stages in a row. Raises TemplateError with the line."""
    if len(source) > MOST_SOURCE:
        raise TemplateError(IS_TOO_LARGE, name=name)
    decoded = source.decode("latin-1")
    environment = _environment()
    try:
        tokens = _counted(tokenize(decoded, options), name)
        parsed = parse(tokens, name, v1dollar=options.V1DOLLAR)
        emitted = emit(parsed)
        emitted.template.set_environment(environment)
        code = environment.compile(emitted.template, name, name)
    except (RecursionError, SyntaxError, MemoryError, ValueError) as error:
        # Python's own bounds on nesting, and on digits of a number
        raise LimitError("has an expression that is too long", name=name) from error
    jinja = environment.template_class.from_code(environment, code, {})
    return Program(name, decoded, jinja, emitted.blocks, parsed.metadata)


def _counted(tokens: Iterator[Token], name: str) -> Iterator[Token]:
    for count, token in enumerate(tokens):
        if count > MOST_TOKENS:  # the last is the end
            raise LimitError(TOO_MUCH_IN_TAGS, name=name, line=token.line)
        yield token


@cache
def _environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(finalize=text, optimized=False, cache_size=0)
    environment.filters = dict(OPERATIONS)
    environment.tests, environment.globals = {}, {}
    return environment


class Templates:
    """Compiles each template once, as long as its content and the options stay the same."""

    def __init__(self, options: Options = Options(), limits: Limits = Limits()) -> None:  # noqa: B008
        self._options = options
        self._limits = limits
        self._programs: dict[str, tuple[bytes, Program]] = {}

    def program(self, name: str, source: bytes) -> Program:
        """The compiled template; raises TemplateError."""
        digest = hashlib.sha256(source).digest()
        known = self._programs.get(name)
        if known is None or known[0] != digest:
            known = (digest, compile_template(source, name, self._options))
            self._programs[name] = known
        return known[1]

    def render(
        self,
        name: str,
        variables: Mapping[str, object],
        lookup: Lookup,
        clock: Callable[[], float],
    ) -> bytes:
        """The output of the template `name`. Raises TemplateError; then there is no output at all.

        `variables` are dicts, lists, strings, numbers and None as from JSON; they stay untouched.
        """

        def load(wanted: str) -> Program | None:
            source = lookup(wanted)
            program = None if source is None else self.program(wanted, source)
            budget.check_time()
            return program

        budget = Budget(self._limits, clock)
        stash = adopted(variables)
        assert isinstance(stash, dict)  # noqa: S101 - what a Mapping is adopted as
        machine = Machine(stash, budget, load, lookup, trims=self._options.TRIM)
        output = self._outcome(machine, name)
        if len(output) > self._limits.output:
            raise LimitError(f"makes more than {self._limits.output >> 20} MiB of text", name=name)
        return output.encode("latin-1")

    def _outcome(self, machine: Machine, name: str) -> str:
        try:
            return machine.render(name)
        except BrokenTemplate as broken:
            raise broken.error from None
        except Exhausted as error:
            raise self._located(error, str(error), name, LimitError) from None
        except RecursionError as error:
            what = "calls itself or others too many levels deep"
            raise self._located(error, what, name, LimitError) from None
        except Fault as fault:
            raise self._located(fault, fault.as_text(), name, TemplateError) from None
        except PerlDie as error:
            raise self._located(error, f"undef error - {error}", name, TemplateError) from None
        except ValueError as error:  # Python's bound on digits of a number
            raise self._located(error, f"undef error - {error}", name, TemplateError) from None
        except LoopExit as error:
            what = "undef error - LAST or NEXT outside of its loop"
            raise self._located(error, what, name, TemplateError) from None

    def _located(
        self, error: Exception, what: str, name: str, family: type[TemplateError]
    ) -> TemplateError:
        found, line = place(error.__traceback__)
        if isinstance(error, Fault) and error.place:
            found, line = error.place
            what = what.rstrip().removesuffix(f" at {found} line {line}.")
        where = found or name
        known = self._programs.get(where)
        source = known[1].line_text(line) if known else ""
        return family(what.rstrip(), name=where, line=line, source=source)
