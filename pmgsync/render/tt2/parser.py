"""Stage two: tokens become a tree, or an error that names the line and the tag.

The grammar is Template Toolkit's, with what may stand where decided as its own parser decides it:

* a *statement* is what may stand in a tag between semicolons;
* a *directive* is a statement whose output `name = ...` and MACRO can take;
* after an expression or a one-word directive may follow `IF`, `FOREACH` and the like, with that as
  their body; after WRAPPER and FILTER yet another, after the others none.

PERL and RAWPERL parse and then fail when they are reached, as they do where EVAL_PERL is not set.
VIEW and DEBUG are refused here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from pmgsync.render.tt2.cursor import Cursor
from pmgsync.render.tt2.expressions import (
    NAME_START,
    assignment,
    expression,
    item,
    name,
    quoted,
    split_arguments,
    term,
)
from pmgsync.render.tt2.leaving import leaves_block, leaves_macro
from pmgsync.render.tt2.lexer import Token
from pmgsync.render.tt2.nodes import (
    AnonymousBlock,
    Assign,
    Body,
    Call,
    Capture,
    Evaluate,
    Expression,
    Filter,
    Foreach,
    HashOf,
    If,
    Leave,
    ListOf,
    Macro,
    Output,
    Part,
    Several,
    Signal,
    Statement,
    Switch,
    Template,
    Text,
    Throw,
    Try,
    Unary,
    Use,
    Variable,
    While,
    Wrapper,
)

_CLOSERS = frozenset(["END", "ELSE", "ELSIF", "CASE", "CATCH", "FINAL", "END_OF_INPUT"])
_POSTFIX = frozenset(["IF", "UNLESS", "FOR", "WHILE", "WRAPPER", "FILTER"])


def parse(tokens: Iterable[Token], name: str = "template", *, v1dollar: bool = False) -> Template:
    """The tree of the template called `name`; raises TemplateError."""
    at = Cursor(tokens, name)
    at.v1dollar = v1dollar
    parser = _Parser(at)
    body = parser.block()
    at.take("END_OF_INPUT")
    return Template(body, parser.blocks, parser.metadata)


class _Parser:
    def __init__(self, at: Cursor) -> None:
        self.at = at
        self.blocks: dict[str, Body] = {}
        self.metadata: dict[str, str] = {}
        self._loops = 0
        self._block_names: list[str] = []
        self._directives: dict[str, Callable[[], Statement]] = {
            "CALL": self._call,
            "CLEAR": self._signal,
            "DEFAULT": self._default,
            "FILTER": self._filter_block,
            "FOR": self._foreach_block,
            "GET": self._get,
            "IF": self._if_block,
            "INCLUDE": self._process,
            "INSERT": self._process,
            "LAST": self._leave,
            "NEXT": self._leave,
            "PERL": self._perl,
            "PROCESS": self._process,
            "RETURN": self._signal,
            "SET": self._set,
            "STOP": self._signal,
            "SWITCH": self._switch,
            "THROW": self._throw,
            "TRY": self._try,
            "UNLESS": self._unless_block,
            "WHILE": self._while_block,
            "WRAPPER": self._wrapper_block,
        }
        self._whole = frozenset(["FOR", "IF", "PERL", "SWITCH", "TRY", "UNLESS", "WHILE"])
        """Directives that nothing may follow."""

    # --- statements -----------------------------------------------------------------------------

    def block(self) -> Body:
        """Statements up to one of the words that close a block."""
        found: list[Statement] = []
        with self.at:
            while self.at.kind not in _CLOSERS:
                if self.at.kind == "TEXT":
                    token = self.at.take()
                    found.append(Output(token.line, Text(token.line, token.text)))
                elif not self.at.took(";"):
                    found += self._statement()
                    self.at.take(";")
        return tuple(found)

    def _closed(self, *, loops: int = 0) -> Body:
        """`; block END`, inside of so many loops more."""
        self.at.take(";")
        self._loops += loops
        body = self.block()
        self._loops -= loops
        self.at.take("END")
        return body

    def _statement(self) -> list[Statement]:
        kind = self.at.kind
        if kind in ("VIEW", "DEBUG"):
            raise self.at.error(f"{kind} is not supported")
        if kind == "BLOCK":
            return self._block_definition()
        if kind == "META":
            self.at.take()
            self.metadata.update(self._metadata())
            return []
        if kind == "MACRO":
            return [self._macro()]
        if kind == "USE":
            return [self._use()]
        if kind == "RAWPERL":
            return [self._perl()]
        return self._directive(alone=True)

    def _directive(self, *, alone: bool = False) -> list[Statement]:
        """A directive; `alone`: or an expression by itself."""
        kind = self.at.kind
        if kind in self._directives:
            found = self._directives[kind]()
            return [found] if kind in self._whole else [self._postfixed(found)]
        if kind == "LITERAL" and self.at.kind_after() == "ASSIGN":
            return self._assignments()
        if kind in NAME_START:
            return self._name_first(alone)
        return [self._shown(expression(self.at), alone)]

    def _shown(self, value: Expression, alone: bool) -> Statement:
        if not alone and self.at.kind not in _POSTFIX:
            self.at.refuse()
        return self._postfixed(Output(value.line, value))

    def _name_first(self, alone: bool) -> list[Statement]:
        """`name`, `name = expression` and more of them, or `name = DIRECTIVE`."""
        line, parts = self.at.line, name(self.at)
        if self.at.kind == "ASSIGN":
            return self._assigned(line, parts)
        return [self._shown(expression(self.at, Variable(line, parts)), alone)]

    def _assigned(self, line: int, parts: tuple[Part, ...]) -> list[Statement]:
        """`name` is read; `= expression` or `= DIRECTIVE` follows. A name takes what a directive
        shows; so in `a = b = 1` and in `a = b IF c` the name a takes the output of the rest.
        """
        with self.at:
            self.at.take("ASSIGN")
            if self.at.kind == "BLOCK":
                return [Capture(line, parts, self._macro_body())]
            if self.at.kind in self._directives:
                return [Capture(line, parts, tuple(self._directive()))]
            if self._at_literal_assignment():
                return [Capture(line, parts, tuple(self._assignments()))]
            if self.at.kind not in NAME_START:
                return self._after_assignment(line, parts, expression(self.at))
            inner_line, inner = self.at.line, name(self.at)
            if self.at.kind == "ASSIGN":
                return [Capture(line, parts, tuple(self._assigned(inner_line, inner)))]
            value = expression(self.at, Variable(inner_line, inner))
            return self._after_assignment(line, parts, value)

    def _after_assignment(
        self, line: int, parts: tuple[Part, ...], value: Expression
    ) -> list[Statement]:
        if self.at.kind in _POSTFIX:  # `a = b IF c`: a takes what `b IF c` shows
            return [Capture(line, parts, (self._postfixed(Output(value.line, value)),))]
        return [Evaluate(line, Assign(line, parts, value)), *self._assignments()]

    def _at_literal_assignment(self) -> bool:
        return self.at.kind == "LITERAL" and self.at.kind_after() == "ASSIGN"

    def _assignments(self, *, is_default: bool = False) -> list[Statement]:
        """Assignments in a row, with or without commas; none is fine."""
        found: list[Statement] = []
        while self.at.kind in NAME_START or self.at.kind in ("LITERAL", "COMMA"):
            if self.at.took("COMMA"):
                continue
            made = assignment(self.at)
            found.append(
                Evaluate(made.line, Assign(made.line, made.target, made.value, is_default))
            )
        return found

    def _postfixed(self, statement: Statement) -> Statement:
        """`statement`, and what may follow it with it as its body."""
        while self.at.kind in _POSTFIX:
            with self.at:
                word, body = self.at.take(), (statement,)
                if word.kind == "WRAPPER":
                    statement = Wrapper(word.line, *self._names(), body)
                elif word.kind == "FILTER":
                    statement = self._filter(word.line, body)
                else:
                    return self._guarded(word, body)
        return statement

    def _guarded(self, word: Token, body: Body) -> Statement:
        if word.kind == "FOR":
            return Foreach(word.line, *self._loop_variable(), body, is_postfix=True)
        test = expression(self.at)
        if word.kind == "WHILE":
            return While(word.line, test, body, is_postfix=True)
        test = Unary(test.line, test) if word.kind == "UNLESS" else test
        return If(word.line, ((test, body),))

    # --- one-word directives --------------------------------------------------------------------

    def _get(self) -> Statement:
        return Output(self.at.take().line, expression(self.at))

    def _call(self) -> Statement:
        return Evaluate(self.at.take().line, expression(self.at))

    def _set(self) -> Statement:
        return self._assignment_list(is_default=False)

    def _default(self) -> Statement:
        return self._assignment_list(is_default=True)

    def _assignment_list(self, *, is_default: bool) -> Statement:
        line = self.at.take().line
        if self.at.kind not in NAME_START and self.at.kind != "LITERAL":
            self.at.refuse()
        return Several(line, tuple(self._assignments(is_default=is_default)))

    def _process(self) -> Statement:
        word = self.at.take()
        return Call(word.line, word.kind.lower(), *self._names())

    def _throw(self) -> Statement:
        line = self.at.take().line
        names, plain, named = self._name_arguments()
        info: Expression | None = plain[0] if plain else None
        if info and (named.pairs or len(plain) > 1):
            numbered = [(Text(line, str(n)), value) for n, value in enumerate(plain)]
            everything = (Text(line, "args"), ListOf(line, plain))
            info = HashOf(line, (everything, *numbered, *named.pairs))
        return Throw(line, names[0], info)

    def _signal(self) -> Statement:
        word = self.at.take()
        return Signal(word.line, word.kind.lower())

    def _leave(self) -> Statement:
        word = self.at.take()
        return Leave(word.line, word.kind == "NEXT")

    def _perl(self) -> Statement:
        line = self.at.take().line
        self._closed()
        return Signal(line, "perl")

    # --- blocks ---------------------------------------------------------------------------------

    def _if_block(self) -> Statement:
        line = self.at.take().line
        return self._branches(line, expression(self.at))

    def _unless_block(self) -> Statement:
        line = self.at.take().line
        test = expression(self.at)
        return self._branches(line, Unary(test.line, test))

    def _branches(self, line: int, test: Expression) -> Statement:
        self.at.take(";")
        branches: list[tuple[Expression | None, Body]] = [(test, self.block())]
        while self.at.took("ELSIF"):
            test = expression(self.at)
            self.at.take(";")
            branches.append((test, self.block()))
        if self.at.took("ELSE"):
            self.at.take(";")
            branches.append((None, self.block()))
        self.at.take("END")
        return If(line, tuple(branches))

    def _switch(self) -> Statement:
        line = self.at.take().line
        value = expression(self.at)
        self.at.take(";")
        self.block()  # what stands before the first CASE is never shown
        cases: list[tuple[Expression, Body]] = []
        default: Body = ()
        while self.at.took("CASE"):
            if self.at.took("DEFAULT") or self.at.kind == ";":
                self.at.take(";")
                default = self.block()
                break  # nothing may follow the default
            match = term(self.at)
            self.at.take(";")
            cases.append((match, self.block()))
        self.at.take("END")
        return Switch(line, value, tuple(cases), default)

    def _foreach_block(self) -> Statement:
        line = self.at.take().line
        variable, values = self._loop_variable()
        return Foreach(line, variable, values, self._closed(loops=1))

    def _loop_variable(self) -> tuple[str, Expression]:
        variable = ""
        if self.at.kind == "IDENT" and self.at.kind_after() in ("ASSIGN", "IN"):
            variable = self.at.take().text
            self.at.take()
        values = term(self.at)
        split_arguments(self.at)  # allowed and without effect
        return variable, values

    def _while_block(self) -> Statement:
        line = self.at.take().line
        return While(line, expression(self.at), self._closed(loops=1))

    def _wrapper_block(self) -> Statement:
        line = self.at.take().line
        names, named = self._names()
        return Wrapper(line, names, named, self._closed())

    def _filter_block(self) -> Statement:
        line = self.at.take().line
        head = self._filter(line, ())
        return Filter(line, head.name, head.arguments, head.alias, self._closed())

    def _filter(self, line: int, body: Body) -> Filter:
        alias = self._alias()
        names, plain, named = self._name_arguments()
        return Filter(line, names[0], _one_list(line, plain, named), alias, body)

    def _use(self) -> Statement:
        line = self.at.take().line
        alias = self._alias()
        names, plain, named = self._name_arguments()
        return Use(line, alias or names[0], names[0], _one_list(line, plain, named))

    def _try(self) -> Statement:
        line = self.at.take().line
        self.at.take(";")
        body = self.block()
        handlers: list[tuple[str, Body]] = []
        final: Body = ()
        while self.at.took("CATCH"):
            kind = ""
            if not self.at.took("DEFAULT") and self.at.kind != ";":
                kind = self._filename()
            self.at.take(";")
            handlers.append((kind, self.block()))
        if self.at.took("FINAL"):
            self.at.take(";")
            final = self.block()
        self.at.take("END")
        return Try(line, body, tuple(handlers), final)

    def _block_definition(self) -> list[Statement]:
        line = self.at.take("BLOCK").line
        block_name = ""
        if self.at.kind == "LITERAL":
            block_name = self.at.take().text
        elif self.at.kind != ";" and not self._at_metadata():
            block_name = self._filename()
        if self._at_metadata():
            self._metadata()  # allowed and without effect
        if not block_name:
            return [AnonymousBlock(line, self._closed())]
        self._block_names.append(block_name)
        self.at.take(";")
        body = self.block()
        if self._loops and leaves_block(body):  # which loop that ends depends on who calls it
            raise self.at.error("LAST or NEXT in a BLOCK inside of a loop is not supported")
        self.at.take("END")
        self.blocks["/".join(self._block_names)] = body
        self._block_names.pop()
        return []

    def _macro(self) -> Statement:
        line = self.at.take().line
        macro_name = self.at.take("IDENT").text
        arguments: list[str] | None = None
        if self.at.took("("):
            arguments = [self.at.take("IDENT").text]
            while not self.at.took(")"):
                if not self.at.took("COMMA"):
                    arguments.append(self.at.take("IDENT").text)
        body = self._macro_body()
        if leaves_macro(body, is_in_loop=self._loops > 0):
            raise self.at.error("LAST or NEXT in a MACRO without a loop in it is not supported")
        return Macro(line, macro_name, None if arguments is None else tuple(arguments), body)

    def _macro_body(self) -> Body:
        if self.at.took("BLOCK"):
            return self._closed()
        return tuple(self._directive())

    # --- names of templates, filters, plugins ---------------------------------------------------

    def _names(self) -> tuple[tuple[Expression, ...], HashOf]:
        names, _plain, named = self._name_arguments()
        return names, named

    def _name_arguments(self) -> tuple[tuple[Expression, ...], tuple[Expression, ...], HashOf]:
        line = self.at.line
        if self.at.took("$"):
            names: tuple[Expression, ...] = (Variable(line, name(self.at)),)
            return (names, *split_arguments(self.at))
        found = [self._template_name()]
        while self.at.took("+"):
            found.append(self._template_name())
        if not self.at.took("("):
            return (tuple(found), *split_arguments(self.at))
        with self.at:
            plain, named = split_arguments(self.at)
        self.at.take(")")
        return tuple(found), plain, named

    def _template_name(self) -> Expression:
        line = self.at.line
        if self.at.kind == "QUOTE":
            return quoted(self.at)
        if self.at.kind == "LITERAL":
            return Text(line, self.at.take().text)
        return Text(line, self._filename())

    def _filename(self) -> str:
        parts = [self.at.take("FILENAME", "IDENT", "NUMBER").text]
        while self.at.took("DOT"):
            parts.append(self.at.take("FILENAME", "IDENT", "NUMBER").text)
        return ".".join(parts)

    def _alias(self) -> Expression | None:
        """`alias =` before the name of a filter or plugin."""
        return self.at.attempt(self._alias_and_sign)

    def _alias_and_sign(self) -> Expression | None:
        line, kind = self.at.line, self.at.kind
        found: Expression | None = None
        if kind == "LITERAL":
            found = Text(line, self.at.take().text)
        elif kind == "QUOTE":
            found = quoted(self.at)
        elif kind in ("IDENT", "${") or (kind == "$" and self.at.kind_after() == "IDENT"):
            found = item(self.at)
        return found if found and self.at.took("ASSIGN") else None

    def _at_metadata(self) -> bool:
        return self.at.kind == "IDENT" and self.at.kind_after() == "ASSIGN"

    def _metadata(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self.at.kind != "IDENT":
            self.at.refuse()
        while self.at.kind in ("IDENT", "COMMA"):
            if self.at.took("COMMA"):
                continue
            key = self.at.take("IDENT").text
            self.at.take("ASSIGN")
            if self.at.took("QUOTE"):
                found[key] = self.at.take("TEXT").text
                self.at.take("QUOTE")
            else:
                found[key] = self.at.take("LITERAL", "NUMBER").text
        return found


def _one_list(line: int, plain: tuple[Expression, ...], named: HashOf) -> ListOf | None:
    items = (*plain, named) if named.pairs else plain
    return ListOf(line, items) if items else None
