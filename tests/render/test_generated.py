"""Templates made up by chance: ours and the real Template Toolkit give the same, or both an error.

`python -m tests.render.test_generated SEED COUNT` hunts for differences by hand.
"""

import re
import sys
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.render.grammar import Writer
from tests.render.oracle import CRASHED, Answer, Case, TemplateToolkit, ours
from tests.render.written import FILES, VARIABLES

REFERENCE = re.compile(r"Template::|(?:HASH|ARRAY|CODE)\(0x|\d{14}", re.IGNORECASE)
"""What prints as an address differs from run to run, in Perl too."""


def made_up(random: Random) -> Case:
    """A template and parse options."""
    writer = Writer(random)
    options: dict[str, int] = {}
    if writer.chance(0.3):
        options = {name: random.randrange(4) for name in ("PRE_CHOMP", "POST_CHOMP")}
    for name in ("INTERPOLATE", "TRIM", "ANYCASE", "V1DOLLAR"):
        if writer.chance(0.08):
            options[name] = 1
    template = writer.template().encode().decode("latin-1")
    return Case(template, VARIABLES, FILES, dict(options))


def agree(ours_is: Answer, theirs: Answer) -> bool:
    """The same output, or both an error; or nothing to compare with."""
    if theirs is CRASHED:
        return True
    if theirs.output is not None and REFERENCE.search(theirs.output):
        return True
    return ours_is.output == theirs.output


@pytest.fixture(scope="module")
def toolkit() -> Iterator[TemplateToolkit]:
    with TemplateToolkit() as process:
        yield process


@pytest.mark.toolkit
@settings(
    max_examples=400,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # the first difference is reported; making it smaller takes minutes
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(random=st.randoms(use_true_random=False))
def test_hypothesis_finds_no_difference(random: Random, toolkit: TemplateToolkit) -> None:
    case = made_up(random)
    theirs = toolkit.ask(case)
    answer = ours(case)
    assert agree(answer, theirs), (case.template, case.options, answer, theirs)


def hunt(toolkit: TemplateToolkit, seed: int, count: int) -> list[tuple[Case, Answer, Answer]]:
    """The differences among `count` templates of this seed."""
    found = []
    for number in range(count):
        case = made_up(Random(f"{seed}/{number}"))
        theirs, answer = toolkit.ask(case), ours(case)
        if not agree(answer, theirs):
            found.append((case, answer, theirs))
    return found


@pytest.mark.toolkit
@pytest.mark.parametrize("seed", range(3))
def test_a_hunt_finds_no_difference(seed: int, toolkit: TemplateToolkit) -> None:
    assert hunt(toolkit, seed, 300) == []


def main(seed: int, count: int) -> None:
    with TemplateToolkit() as process:
        found = hunt(process, seed, count)
    for case, answer, theirs in found:
        sys.stdout.write(
            f"{case.template!r} {case.options}\n    ours {answer}\n    real {theirs}\n"
        )
    sys.stdout.write(f"{count} templates, {len(found)} differences\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
