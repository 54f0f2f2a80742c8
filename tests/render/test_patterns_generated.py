"""Regular expressions put together at random: the same as Perl's, or refused by name."""

from __future__ import annotations

from random import Random

import pytest

from tests.render.oracle import Case, TemplateToolkit, ours

TEMPLATE = (
    "[% m = s.match(p, 1); m.size %] [% m.join('|') %]\n"
    "[% s.replace(p, '<$1$2>') %]\n[% s.split(p).join('|') %]\n[% s.split(p, 2).join('|') %]\n"
    "[% s.split(p, -1).join('|') %]"
)
SINGLE: list[str] = [
    *"aabbcAB1,-#.", r"\w", r"\d", r"\s", r"\W", r"\h", r"\R", r"\N", r"\x61", r"\101", r"\.",
    "[ab]", "[^a]", "[^b]", r"[\w-]", "[]a]", r"[^\s\d]", "[[:alpha:]]", "[[:^lower:]_]", "\xe9",
]  # fmt: skip
ANCHORS = ["^", "$", r"\b", r"\B", r"\A", r"\z", r"\Z"]
REPEATS = ["", "", "", "*", "+", "?", "*?", "+?", "??", "*+", "++", "{2}", "{1,2}", "{,2}", "{1,}?"]
OPENINGS = [
    "(", "(", "(?:", "(?>", "(?=", "(?!", "(?<n>", "(?|", "(?i:", "(?x: ", "(?s:", "(?n:", "(?^m:",
]  # fmt: skip
LOOKBEHINDS = ["(?<=", "(?<!"]
FLAGS = ["(?i)", "(?m)", "(?s)", "(?x)", "(?-i)"]
REFERENCES = [r"\1", r"\2", r"\g{-1}", r"\k<n>"]
CONDITIONS = ["(?(1)", "(?(<n>)", "(?(?=a)", "(?(?!b)"]


def sequence(random: Random, depth: int) -> str:
    return "".join(atom(random, depth) for _ in range(random.choice([0, 1, 1, 2, 2, 3])))


def alternatives(random: Random, depth: int) -> str:
    return "|".join(sequence(random, depth) for _ in range(random.choice([1, 1, 2])))


def atom(random: Random, depth: int) -> str:
    kind = random.random()
    if depth == 0 or kind < 0.55:
        return random.choice(SINGLE) + random.choice(REPEATS)
    if kind < 0.80:
        inner = alternatives(random, depth - 1)
        return f"{random.choice(OPENINGS)}{inner}){random.choice(REPEATS)}"
    if kind < 0.84:
        return f"{random.choice(LOOKBEHINDS)}{alternatives(random, 0)})"
    if kind < 0.88:
        return f"{random.choice(CONDITIONS)}{sequence(random, 0)}|{sequence(random, 0)})"
    return random.choice([*ANCHORS, *FLAGS, *REFERENCES])


@pytest.mark.toolkit
def test_generated_patterns_mean_the_same() -> None:
    refused = same = 0
    with TemplateToolkit() as toolkit:
        for seed in range(200):
            random = Random(seed)
            string = "".join(random.choice("aabbcAB1 \n\xe9.-,") for _ in range(8))
            case = Case(TEMPLATE, {"p": alternatives(random, 3), "s": string})
            here = ours(case)
            if here.error and ("not supported" in here.error or "not implemented" in here.error):
                refused += 1
                continue
            there = toolkit.ask(case)
            assert here.agrees(there), (seed, case.variables, here, there)
            same += there.output is not None
    assert same > 100
    assert refused < 40
