"""Templates made up by chance, over the whole language: most valid, some nearly so.

`Writer` draws every choice from a `Random`, so Hypothesis can drive it and a seed repeats it.
"""

from collections.abc import Callable
from random import Random

NAMES = ["s", "z", "e", "n", "one", "h", "l", "el", "eh", "lh", "x", "y", "a", "b", "text", "zero"]
KEYS = ["a", "b", "x", "0", "1", "-1", "size", "first", "item", "key", "value", "_p", "length"]
TEXT_METHODS = [
    "length",
    "upper",
    "lower",
    "ucfirst",
    "lcfirst",
    "size",
    "defined",
    "repeat(2)",
    "substr(1)",
    "substr(0, 2)",
    "substr(-2, 1, 'Q')",
    "split.join('-')",
    "split('').size",
    "replace('a', 'A')",
    "replace('(.)', '<$1>')",
    "remove('[aeiou]')",
    "match('(a)(b)').join",
    "search('b')",
    "chunk(2).join('|')",
    "squote",
    "dquote",
    "html",
    "xml",
    "list.size",
    "hash.value",
    "empty",
    "item",
]
LIST_METHODS = [
    "size",
    "max",
    "first",
    "last",
    "first(2).join",
    "last(2).join",
    "reverse.join",
    "join",
    "join(', ')",
    "sort.join",
    "nsort.join",
    "unique.join",
    "grep('1').join",
    "slice(1).join",
    "slice(0, 1).join",
    "slice(-2, -1).join",
    "push(5)",
    "pop",
    "shift",
    "unshift(7)",
    "splice(1, 1).join",
    "splice(0, 1, 'n').size",
    "merge([4]).join",
    "import([8]).size",
    "defined(1)",
    "empty",
    "item(1)",
    "hash(0).size",
    "list.join",
]
HASH_METHODS = [
    "size",
    "keys.sort.join",
    "values.sort.join",
    "pairs.first.key",
    "item('a')",
    "exists('a')",
    "defined('b')",
    "delete('a')",
    "import({c => 3}).size",
    "list.size",
    "sort.size",
    "nsort.size",
    "empty",
    "each.size",
    "hash.size",
]
FILTERS = [
    "upper",
    "lower",
    "ucfirst",
    "lcfirst",
    "html",
    "xml",
    "uri",
    "url",
    "trim",
    "collapse",
    "null",
    "html_para",
    "html_break",
    "html_line_break",
    "html_entity",
    "indent",
    "indent(2)",
    "indent('> ')",
    "format('<%s>')",
    "format('%5s|')",
    "truncate(5)",
    "truncate(4, '~')",
    "repeat(2)",
    "replace('a', 'b')",
    "remove('a')",
    "none",
]
PLUGINS: list[tuple[str, list[str]]] = [
    ("USE t = table(l, rows=2)", ["t.rows.first.join", "t.row(1).join", "t.cols.size", "t.col(9)"]),
    ("USE t = table(l, cols=2, pad=0)", ["t.cols.last.join", "t.col(0).size", "t.foo"]),
    ("USE u = String(s)", ["u.upper", "u.center(9)", "u.push('x').chop", "u.split('').size", "u"]),
    ("USE u = String(x, filter='html')", ["u", "u.text.length", "u.pop('a')", "u ? 1 : 2"]),
    ("USE wrap", ["wrap(text, 9)", "wrap(x, 5, '* ', '  ')", "text | wrap(12)"]),
    ("USE d = Dumper(indent=1)", ["d.dump([1, s, { a => [] }])", "d.dump_html('<', 'x')"]),
    ("USE m = Math", ["m.int(2.5)", "m.hex('ff')", "m.oct(zero)", "m.srand(7) + m.rand"]),
]
"""What is used, and what is shown of it."""
WORDS = ["foo", "Bar baz", "1", "0", "10", "-3", "2.5", "a,b", " x ", "<&>", "", "z9", "é"]
TEXTS = ["text", " ", "\n", "a\n", "\n  b", "  \n\n", "<p>", "$x", "${y}", "%", "0", "\t"]
TEST_OPERATORS = ["==", "!=", "<", ">", "<=", ">=", "&&", "||", "and", "or"]
OPERATORS = ["+", "-", "*", "_", "/", "div", "mod", "%", *TEST_OPERATORS]
FLAGS = ["", "", "", "", "-", "+", "=", "~"]


class Writer:
    """Writes templates. `depth` bounds how deep they nest."""

    def __init__(self, random: Random, depth: int = 3) -> None:
        self.random = random
        self.depth = depth
        self.may_leave = True
        self._statements: list[Callable[[], str]] = [
            self.show,
            self.show,
            self.assign,
            self.if_,
            self.foreach,
            self.while_,
            self.switch,
            self.filter_,
            self.try_,
            self.block,
            self.call,
            self.wrapper,
            self.macro,
            self.capture,
            self.postfix,
            self.leave,
            self.signal,
            self.default,
            self.meta,
            self.several,
            self.use,
        ]

    def one_of(self, choices: list[str]) -> str:
        return self.random.choice(choices)

    def chance(self, share: float) -> bool:
        return self.random.random() < share

    # --- expressions ---------------------------------------------------------------------------

    def name(self) -> str:
        first = self.one_of(NAMES)
        kind = self.random.randrange(8)
        if kind == 0:
            return f"{first}.{self.one_of(KEYS)}"
        if kind == 1:
            return f"{first}.{self.one_of(TEXT_METHODS)}"
        if kind == 2:
            return f"l.{self.one_of(LIST_METHODS)}"
        if kind == 3:
            return f"h.{self.one_of(HASH_METHODS)}"
        if kind == 4:
            return self.one_of(["h.$s", "l.$one", "${s}", "h.${s}", "l.$z", "${text}", "h.${zero}"])
        return first

    def literal(self) -> str:
        kind = self.random.randrange(6)
        word = self.one_of(WORDS)
        if kind == 0:
            return f'"{word}${self.one_of(NAMES)}"'
        if kind == 1:
            return f'"${{{self.name()}}}{word}"'
        if kind == 2:
            return f'"{word}"'
        if kind in (3, 4):
            return self.one_of(["0", "1", "2", "3", "7", "10", "2.5", "-4", "007"])
        return f"'{word}'"

    def term(self, depth: int) -> str:
        kind = self.random.randrange(10)
        if kind < 4 or depth <= 0:
            return self.name()
        if kind < 8:
            return self.literal()
        if kind == 8:
            items = [self.term(depth - 1) for _ in range(self.random.randrange(4))]
            return f"[{self.one_of([', ', ' ']).join(items)}]"
        pairs = [f"{key} => {self.expression(depth - 1)}" for key in ("a", "b")]
        return "{" + ", ".join(pairs) + "}"

    def expression(self, depth: int | None = None) -> str:
        depth = self.depth if depth is None else depth
        kind = self.random.randrange(10)
        if depth <= 0 or kind < 4:
            return self.scalar(depth)
        if kind < 7:
            left, right = self.scalar(depth - 1), self.expression(depth - 1)
            return f"{left} {self.one_of(OPERATORS)} {right}"
        if kind == 7:
            return f"{self.one_of(['!', 'not ', '! '])}{self.expression(depth - 1)}"
        if kind == 8:
            parts = [self.expression(depth - 1) for _ in range(3)]
            return f"{parts[0]} ? {parts[1]} : {parts[2]}"
        return f"({self.expression(depth - 1)})"

    def scalar(self, depth: int) -> str:
        """A term that prints the same in every run: no list, no hash."""
        return self.name() if self.chance(0.5) or depth <= 0 else self.literal()

    # --- statements ----------------------------------------------------------------------------

    def tag(self, inside: str) -> str:
        return f"[%{self.one_of(FLAGS)} {inside} {self.one_of(FLAGS)}%]"

    def body(self, depth: int) -> str:
        self.depth, outer = depth - 1, self.depth
        pieces = [self.piece() for _ in range(self.random.randrange(1, 4))]
        self.depth = outer
        return "".join(pieces)

    def piece(self) -> str:
        if self.chance(0.3):
            return self.one_of(TEXTS)
        if self.depth <= 0:
            return self.tag(self.expression(1))
        return self.random.choice(self._statements)()

    def template(self) -> str:
        pieces = [self.piece() for _ in range(self.random.randrange(1, 6))]
        whole = "".join(pieces)
        if self.chance(0.05) and whole:  # nearly valid
            at = self.random.randrange(len(whole))
            whole = whole[:at] + whole[at + 1 :]
        return whole

    def show(self) -> str:
        return self.tag(self.expression())

    def assign(self) -> str:
        target = self.one_of(["x", "y", "a", "h.a", "h.new", "l.1", "b.c.d", "$s", "x"])
        return self.tag(f"{self.one_of(['', 'SET '])}{target} = {self.expression()}")

    def default(self) -> str:
        return self.tag(f"DEFAULT {self.one_of(['x', 'z', 's', 'h.q'])} = {self.expression(1)}")

    def several(self) -> str:
        return self.tag(f"{self.expression(1)}; x = {self.expression(1)}; x")

    def use(self) -> str:
        made, shown = self.random.choice(PLUGINS)
        return self.tag(made) + self.tag(self.one_of(shown))

    def if_(self) -> str:
        word = self.one_of(["IF", "UNLESS"])
        middle = ""
        if self.chance(0.3):
            middle = self.tag(f"ELSIF {self.expression(1)}") + self.body(self.depth)
        if self.chance(0.5):
            middle += self.tag("ELSE") + self.body(self.depth)
        start = self.tag(f"{word} {self.expression(2)}")
        return start + self.body(self.depth) + middle + self.tag("END")

    def foreach(self) -> str:
        values = self.one_of(["l", "h", "lh", "el", "s", "n", "[1, 2, 3]", "[1..4]", "h.keys.sort"])
        head = self.one_of([f"x IN {values}", f"x = {values}", f"{values}", f"y IN {values}"])
        loop = self.tag(
            f"loop.{self.one_of(['count', 'index', 'first', 'last', 'size', 'next.q'])}"
        )
        return self.tag(f"FOREACH {head}") + loop + self.round() + self.tag("END")

    def while_(self) -> str:
        body = self.round()
        start, step = self.tag("w = 0"), self.tag("w = w + 1")
        return start + self.tag("WHILE w < 3") + step + body + self.tag("END")

    def switch(self) -> str:
        cases = "".join(
            self.tag(f"CASE {self.one_of(['s', '1', 'zero', '[1, 0, s]', 'e'])}")
            + self.body(self.depth)
            for _ in range(self.random.randrange(3))
        )
        default = self.tag("CASE") + self.body(self.depth) if self.chance(0.5) else ""
        return self.tag(f"SWITCH {self.expression(1)}") + cases + default + self.tag("END")

    def filter_(self) -> str:
        return self.tag(f"FILTER {self.one_of(FILTERS)}") + self.body(self.depth) + self.tag("END")

    def try_(self) -> str:
        thrown = self.tag(
            self.one_of(["THROW a.b 'c'", "THROW d", "INCLUDE missing", "x", "1 / z"])
        )
        catch = self.one_of(
            ["CATCH", "CATCH a", "CATCH a.b", "CATCH file", "CATCH d", "CATCH undef"]
        )
        shown = self.tag("error.type") if self.chance(0.7) else ""
        handler = self.tag(catch) + shown + self.body(self.depth) if self.chance(0.8) else ""
        final = self.tag("FINAL") + self.body(self.depth) if self.chance(0.3) else ""
        body = self.body(self.depth)
        return self.tag("TRY") + body + thrown + handler + final + self.tag("END")

    def block(self) -> str:
        name = self.one_of(["p", "q", ""])
        return self.tag(f"BLOCK {name}") + self.body(self.depth) + self.tag("END")

    def call(self) -> str:
        verb = self.one_of(["INCLUDE", "PROCESS", "INSERT"])
        name = self.one_of(
            ["inc", "p", "q", "sets", "returns", "stops", "throws", "blocks", "sub/part"]
        )
        given = self.one_of(["", "x = 1", f"x = {self.expression(1)}", "a = 1 b = 2"])
        return self.tag(f"{verb} {name} {given}")

    def wrapper(self) -> str:
        name = self.one_of(["wrap", "outer", "wrap + outer", "p"])
        return self.tag(f"WRAPPER {name} x = 1") + self.body(self.depth) + self.tag("END")

    def macro(self) -> str:
        arguments = self.one_of(["", "(a)", "(a, b)"])
        outer, self.may_leave = self.may_leave, False  # a loop of whoever calls it: refused
        body = self.body(self.depth)
        self.may_leave = outer
        made = self.tag(f"MACRO m{arguments} BLOCK") + body + self.tag("END")
        return made + self.tag(self.one_of(["m", "m(1)", "m(1, 2)", "m(s, b = 3)"]))

    def capture(self) -> str:
        return self.tag("x = BLOCK") + self.body(self.depth) + self.tag("END") + self.tag("x")

    def postfix(self) -> str:
        guard = self.one_of(["IF", "UNLESS"])
        tail = self.one_of(
            [
                f"{guard} {self.expression(1)}",
                "FOREACH x IN l",
                "WRAPPER wrap",
                "| upper | repeat(2)",
            ]
        )
        return self.tag(f"{self.expression(1)} {tail}")

    def round(self) -> str:
        """The body of a loop."""
        outer, self.may_leave = self.may_leave, True
        body = self.body(self.depth)
        self.may_leave = outer
        return body

    def leave(self) -> str:
        made = self.tag(f"{self.one_of(['NEXT', 'LAST'])} IF {self.expression(1)}")
        return made if self.may_leave else ""

    def signal(self) -> str:
        word = self.one_of(["RETURN", "STOP", "CLEAR", "THROW x.y 'z'"])
        return self.tag(f"{word} IF {self.expression(1)}")

    def meta(self) -> str:
        return self.tag("META m = 'meta' k = 5") + self.tag(
            self.one_of(["template.m", "component.k"])
        )
