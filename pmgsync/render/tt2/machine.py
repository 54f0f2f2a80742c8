"""Runs a compiled template: its variables, its output, the templates it calls.

* One `Machine` is one rendering. Compiled templates call it through the operations of
  `operations.py`; it calls their bodies, which are Jinja2 blocks: generators of text.
* The stash is one flat dict of variables. To localise is to copy it and to go back to the old one
  later; so plain assignments stay inside, and changes inside lists and hashes do not.
* `buffers` are the outputs being written, innermost last. CLEAR empties the innermost; an error
  carries it along.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING

from pmgsync.errors import InvalidError
from pmgsync.render.errors import TemplateError
from pmgsync.render.perl import access
from pmgsync.render.perl.budget import Budget
from pmgsync.render.perl.faults import Fault, LoopExit
from pmgsync.render.perl.filters import Filters
from pmgsync.render.perl.operators import PerlDie, increment, subtract
from pmgsync.render.perl.text_methods import trim
from pmgsync.render.perl.values import Callable_, Value, text
from pmgsync.render.tt2.program import MAIN, Document, Lookup, Program

if TYPE_CHECKING:
    from jinja2.runtime import Context

    from pmgsync.render.tt2.plugins import Plugins

Stash = dict[str, Value]
_PREFIX = re.compile(r"(\w+):", re.ASCII)
_RELATIVE = re.compile(r"(?:^|/)\.+/")


class Component:
    """A BLOCK, ready to run."""

    def __init__(self, name: str, context: Context, block: str) -> None:
        self.name = name
        self.context = context
        self.block = block


class Function(Callable_):
    """A function that every template has: `inc`, `dec`."""

    def __init__(self, work: Callable[[Value], Value]) -> None:
        self._work = work

    def call(self, arguments: list[Value]) -> Value:
        """Run it on the first argument."""
        return self._work(arguments[0] if arguments else None)


class Machine:
    """One rendering: `variables` are taken over, not copied."""

    def __init__(
        self,
        variables: Stash,
        budget: Budget,
        load: Callable[[str], Program | None],
        lookup: Lookup,
        *,
        trims: bool = False,
    ) -> None:
        functions: Stash = {
            "inc": Function(increment),
            "dec": Function(lambda value: subtract(value, 1)),
        }
        self.stash: Stash = {"global": {}, **functions, **variables}
        self.budget = budget
        self.buffers: list[list[str]] = []
        self.filters = Filters(budget)
        self.kept: list[Value] = []  # operands of `||` and `&&` on their way
        self._load = load
        self._lookup = lookup
        self._trims = trims
        self._blocks: dict[str, Component] = {}
        self._block_stack: list[dict[str, Component]] = []
        self._documents: dict[str, tuple[Document, Context]] = {}

    @cached_property
    def plugins(self) -> Plugins:
        """Those of this rendering. Most templates use none, and then none is loaded."""
        from pmgsync.render.tt2.plugins import Plugins

        return Plugins(self.budget, self.filters)

    def render(self, name: str) -> str:
        """The output of the template `name`."""
        document = self._document(self._checked(name))
        if document is None:
            raise Fault("file", f"{name}: not found")
        self.stash["template"] = document
        try:
            return self.process([document], {})
        except Fault as fault:
            if fault.type == "stop":
                return "".join(fault.output or [])
            raise

    # --- bodies ---------------------------------------------------------------------------------

    def fill(self, context: Context, block: str) -> None:
        """Run a body into the innermost buffer."""
        append, produce = self.buffers[-1].append, self.budget.produce
        for piece in context.blocks[block][0](context):
            append(piece)
            produce(len(piece))

    def captured(self, context: Context, block: str) -> str:
        """The output of a body, in a buffer of its own."""
        with self.buffer() as buffer:
            self.fill(context, block)
            return "".join(buffer)

    def whole_body(self, context: Context, block: str) -> str:
        """The output of a template, a BLOCK or an unnamed block: RETURN ends it, errors keep it."""
        with self.buffer() as buffer:
            try:
                self.fill(context, block)
            except (Fault, PerlDie) as error:
                fault = self.fault_of(error)
                fault.take_into(buffer)
                if fault.type != "return":
                    raise fault from None
            except LoopExit as leaving:
                if leaving.label:
                    raise
            return "".join(buffer)

    @contextmanager
    def buffer(self) -> Iterator[list[str]]:
        """A buffer of its own for what is shown meanwhile."""
        buffer: list[str] = []
        self.buffers.append(buffer)
        try:
            yield buffer
        finally:
            self.buffers.pop()

    @contextmanager
    def localised(self, variables: Stash) -> Iterator[None]:
        """Assignments to plain names last as long as this."""
        outer = self.stash
        self.stash = {**outer, **imported(variables)}
        try:
            yield
        finally:
            self.stash = outer

    def fault_of(self, error: Fault | PerlDie) -> Fault:
        """What a template sees of an error."""
        if isinstance(error, Fault):
            return error
        name, line = place(error.__traceback__)
        said = str(error)
        fault = Fault("undef", said if said.endswith("\n") else f"{said} at {name} line {line}.\n")
        fault.place = (name, line)
        return fault

    # --- templates ------------------------------------------------------------------------------

    def process(
        self, names: Sequence[Value | Document], variables: Stash, *, is_local: bool = False
    ) -> str:
        """PROCESS, and INCLUDE if `is_local`: the outputs of the named templates in a row."""
        targets = [self._target(name) for name in names]
        if is_local:
            with self.localised(variables):
                return self._processed(targets, is_local)
        self.stash.update(imported(variables))
        return self._processed(targets, is_local)

    def _processed(self, targets: list[Document | Component | Callable_], is_local: bool) -> str:
        outer = self.stash.get("component")
        outputs = []
        for target in targets:
            component = self.stash["component"] = _described(target, outer)
            if isinstance(target, Document) and not is_local:
                self._blocks.update(self._components(target))
            self.budget.enter()
            try:
                output = self._output(target)
            finally:
                self.budget.leave()
            outputs.append(trim(output) if self._trims else output)
            _returned(component, outer)
        self.stash["component"] = outer
        joined = "".join(outputs)
        self.budget.fits(len(joined))
        return joined

    def _output(self, target: Document | Component | Callable_) -> str:
        if isinstance(target, Callable_):
            return text(target.call([]))
        if isinstance(target, Component):
            return self.whole_body(target.context, target.block)
        if target.is_running:
            raise Fault("file", f"recursion into '{target.program.name}'")
        self._block_stack.insert(0, self._components(target))
        target.is_running = True
        try:
            return self.whole_body(self._documents[target.program.name][1], MAIN)
        finally:
            target.is_running = False
            self._block_stack.pop(0)

    def _components(self, document: Document) -> dict[str, Component]:
        context = self._documents[document.program.name][1]
        blocks = document.program.blocks.items()
        return {name: Component(name, context, block) for name, block in blocks}

    def _target(self, name: Value | Document) -> Document | Component | Callable_:
        if isinstance(name, Document | Callable_):
            return name
        shown = text(name)
        for blocks in (self._blocks, *self._block_stack):
            if shown in blocks:
                return blocks[shown]
        if document := self._document(self._checked(shown)):
            return document
        raise Fault("file", f"{shown}: not found")

    def _checked(self, name: str) -> str:
        if prefix := _PREFIX.match(name):
            raise Fault("file", f"no providers for template prefix '{prefix[1]}'")
        if name.startswith("/"):
            raise Fault("file", f"{name}: absolute paths are not allowed")
        if _RELATIVE.search(name):
            raise Fault("file", f"{name}: relative paths are not allowed")
        return name

    def _document(self, name: str) -> Document | None:
        if name not in self._documents:
            try:
                program = self._load(name)
            except TemplateError as error:
                raise BrokenTemplate(error) from error
            except InvalidError as error:  # the lookup refuses the name
                raise Fault("file", str(error)) from error
            if program is None:
                return None
            context = program.jinja.new_context({"tt": self})
            self._documents[name] = (Document(program), context)
        return self._documents[name][0]

    def insert(self, name: str) -> str:
        """The template's text as it stands."""
        try:
            found = self._lookup(self._checked(name))
        except InvalidError as error:
            raise Fault("file", str(error)) from error
        if found is None:
            raise Fault("file", f"{name}: not found")
        return found.decode("latin-1")

    # --- variables ------------------------------------------------------------------------------

    def read(self, path: access.Path) -> Value:
        """The value that a path names, "" for undef."""
        self.budget.step()
        value = self.find(path)
        return "" if value is None else value

    def find(self, path: access.Path) -> Value:
        """The value that a path names. At the root there are no methods but `import`."""
        name, arguments = text(path[0]), path[1]
        value = self.root(name, arguments if isinstance(arguments, list) else [])
        if value is None or len(path) == 2:  # noqa: PLR2004 - one name
            return value
        if path[2] in access.IN_PLACE and isinstance(value, str) and name in self.stash:
            self.stash[name] = access.read(self.budget, value, path[2:4])
        return access.read(self.budget, value, path[2:])

    def root(self, name: str, arguments: list[Value]) -> Value:
        """The variable `name`."""
        if name[:1] in ("_", "."):
            return None
        value = self.stash.get(name)
        if isinstance(value, Callable_):
            return value.call(arguments)
        if value is None and name == "import":
            more = arguments[0] if arguments else None
            self.stash.update(more if isinstance(more, dict) else {})
            return ""
        return value

    def write(self, path: access.Path, value: Value, *, is_default: bool = False) -> Value:
        """Assign; gives the value, "" if nothing was set."""
        self.budget.step()
        done = access.write(self.budget, self.stash, path, value, is_default=is_default)
        return "" if done is None else done


class BrokenTemplate(Fault):
    """A template that another one calls does not compile."""

    def __init__(self, error: TemplateError) -> None:
        super().__init__("file", Fault("parse", str(error)))
        self.error = error


def imported(variables: Stash) -> Stash:
    """`variables`, with the contents of the hash `import` instead of it."""
    more = variables.get("import")
    if not isinstance(more, dict):
        return variables
    return {**{name: value for name, value in variables.items() if name != "import"}, **more}


def _described(target: Document | Component | Callable_, outer: Value) -> Value:
    """What `component` is while `target` runs, called by `outer`."""
    name = target.name if isinstance(target, Component) else ""
    made: dict[str, Value] = {"name": name, "modtime": 0}
    if isinstance(outer, Document):
        facts = target.facts if isinstance(target, Document) else made
        known = outer.facts.get("callers")
        callers = known if isinstance(known, list) else []
        callers.append(outer.facts["name"])
        facts["caller"], facts["callers"] = outer.facts["name"], callers
    return target if isinstance(target, Document) else made


def _returned(component: Value, outer: Value) -> None:
    """`component` has run to its end: its `callers`, which all of them share, lose one."""
    facts = component.facts if isinstance(component, Document) else component
    if isinstance(outer, Document) and isinstance(facts, dict):
        callers = facts.get("callers")
        if isinstance(callers, list) and callers:
            callers.pop()


def place(trace: TracebackType | None) -> tuple[str, int]:
    """Template and line of the innermost compiled template that the traceback goes through."""
    found = ("", 0)
    while trace is not None:
        jinja = trace.tb_frame.f_globals.get("__jinja_template__")
        if jinja is not None:
            found = (jinja.name, jinja.get_corresponding_lineno(trace.tb_lineno))
        trace = trace.tb_next
    return found
