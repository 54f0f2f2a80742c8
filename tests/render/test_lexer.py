"""Text and tags, tokens and their lines: the lexer by itself."""

import pytest

from pmgsync.render.tt2.lexer import Token, split_text, tokenize
from pmgsync.render.tt2.options import options_from


def chunks(source: str, **options: int | str) -> list[tuple[bool, str, str]]:
    given = options_from([f"{name}={value}" for name, value in options.items()])
    return [(chunk.is_tag, chunk.text, chunk.lines) for chunk in split_text(source, given)]


def tokens(source: str, **options: int | str) -> list[Token]:
    return list(
        tokenize(source, options_from([f"{name}={value}" for name, value in options.items()]))
    )


def kinds(inside: str, **options: int | str) -> list[str]:
    """The kinds of the tokens of one tag, without its end."""
    return [token.kind for token in tokens(f"[% {inside} %]", **options)][:-2]


def words(inside: str) -> list[str]:
    return [token.text for token in tokens(f"[% {inside} %]")][:-2]


def test_text_and_tags_alternate() -> None:
    assert chunks("a[% b %]c") == [(False, "a", "1"), (True, "b", "1"), (False, "c", "1")]


def test_an_unclosed_tag_is_text() -> None:
    assert chunks("a[% b") == [(False, "a[% b", "1")]


def test_many_unclosed_tags_are_read_once() -> None:
    source = "[%" * 100_000
    assert chunks(source) == [(False, source, "1")]


def test_lines_are_counted_through_text_and_tags() -> None:
    source = "a\n[% b\nc %]\n\n[% d %]"
    assert [lines for is_tag, _, lines in chunks(source) if is_tag] == ["2-3", "5"]


def test_lines_swallowed_by_chomping_count() -> None:
    source = "[% a -%]\n[% b ~%]\n\n\n[%- c %]\n[% d %]"
    assert [lines for is_tag, _, lines in chunks(source) if is_tag] == ["1", "2", "5", "6"]


def test_a_tag_that_starts_with_line_breaks_has_the_line_of_its_first_word() -> None:
    assert chunks("[%\n\n a %]") == [(True, "a", "3")]


@pytest.mark.parametrize(
    ("style", "source"),
    [
        ("template1", "a%% b %%c"),
        ("template1", "a[% b %]c"),
        ("metatext", "a%% b %%c"),
        ("html", "a<!-- b -->c"),
        ("mason", "a<% b >c"),
        ("asp", "a<% b %>c"),
        ("php", "a<? b ?>c"),
        ("star", "a[* b *]c"),
        ("tt2", "a[% b %]c"),
    ],
)
def test_tag_styles(style: str, source: str) -> None:
    assert [text for _, text, _ in chunks(source, TAG_STYLE=style)] == ["a", "b", "c"]


def test_outline_tags_take_a_line() -> None:
    source = "%% IF x\na [% b %]\n%% END\nc"
    found = chunks(source, TAG_STYLE="outline")
    assert [text for _, text, _ in found] == ["IF x", "a ", "b", "\n", "END", "c"]


def test_own_tags_are_regular_expressions() -> None:
    assert [text for _, text, _ in chunks("a<+b+>c", START_TAG=r"<\+", END_TAG=r"\+>")] == [*"abc"]


def test_tags_directive_changes_what_follows() -> None:
    assert [text for _, text, _ in chunks("[% TAGS ( ) %](a)[% b %]")] == ["a", "[% b %]"]


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ("a.b(1)", ["IDENT", "DOT", "IDENT", "(", "NUMBER", ")"]),
        ("a-1", ["IDENT", "NUMBER"]),
        ("a - 1", ["IDENT", "BINOP", "NUMBER"]),
        ("1/7", ["NUMBER", "FILENAME"]),
        ("a/b.c", ["FILENAME", "DOT", "IDENT"]),
        ("a::b", ["FILENAME"]),
        ("1..5", ["NUMBER", "TO", "NUMBER"]),
        ("x.1.2", ["IDENT", "DOT", "NUMBER"]),
        ("a == b != c", ["IDENT", "CMPOP", "IDENT", "CMPOP", "IDENT"]),
        ("a && b and c", ["IDENT", "AND", "IDENT", "AND", "IDENT"]),
        ("!a || not b", ["NOT", "IDENT", "OR", "NOT", "IDENT"]),
        ("a _ b _c", ["IDENT", "CAT", "IDENT", "IDENT"]),
        ("$a ${b}", ["$", "IDENT", "${", "IDENT", "}"]),
        ("{ a => 1, b = 2 }", ["{", *["IDENT", "ASSIGN", "NUMBER", "COMMA"]][:5]),
        ("FOREACH BREAK |", ["FOR", "LAST", "FILTER"]),
        ("'a' \"b\"", ["LITERAL", "LITERAL"]),
        ('"a$b"', ["QUOTE", "TEXT", "IDENT", ";", "QUOTE"]),
        ("a # b", ["IDENT"]),
        ("a ~ ^ &&", ["IDENT", "UNQUOTED", "UNQUOTED", "AND"]),
        ("if IF If", ["IDENT", "IF", "IDENT"]),
        ("DIV div Div mod", ["DIV", "DIV", "IDENT", "MOD"]),
    ],
)
def test_kinds_of_tokens(inside: str, expected: list[str]) -> None:
    assert kinds(inside)[: len(expected)] == expected


def test_anycase_folds_what_can_be_a_keyword() -> None:
    assert kinds("if x", ANYCASE=1) == ["IF", "IDENT"]
    assert kinds("x.if", ANYCASE=1) == ["IDENT", "DOT", "IDENT"]
    assert kinds("get if", ANYCASE=1) == ["GET", "IDENT"]
    assert kinds("filter = 1", ANYCASE=1) == ["IDENT", "ASSIGN", "NUMBER"]


def test_strings_are_unescaped() -> None:
    assert words(r"'a\'b\\c\n'") == [r"a'b\c\n"]
    assert words(r'"a\tb\"c"') == ['"', 'a\tb"c', '"']


def test_text_is_interpolated_on_demand() -> None:
    source = r"a $b ${c.d} \$e $"
    found = [(token.kind, token.text) for token in tokens(source, INTERPOLATE=1)]
    assert found == [
        ("TEXT", "a "),
        ("IDENT", "b"),
        (";", ";"),
        ("TEXT", " "),
        ("IDENT", "c"),
        ("DOT", "."),
        ("IDENT", "d"),
        (";", ";"),
        ("TEXT", " $e "),
        ("END_OF_INPUT", ""),
    ]


def test_every_token_knows_its_tag() -> None:
    found = tokens("\n[% a\n b %]")
    assert {token.tag.shown for token in found if token.tag} == {"[% a\n b %]"}
    assert [token.line for token in found if token.kind == "IDENT"] == [2, 2]


def test_tags_that_match_nothing_end() -> None:
    assert chunks("axb", START_TAG="(?=x)", END_TAG="(?=x)")[-1] == (False, "xb", "1")
