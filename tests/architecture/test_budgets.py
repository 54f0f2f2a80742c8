"""How large, how safe and how tested the code may be.

What separates good code from bad is less the usual length of a function than the tail of very long
ones, swallowed errors, and mocks. Hence these budgets. A file or function that needs more goes into
the table of exceptions, with a sentence that says why.
"""

import ast
import math
from collections.abc import Iterator
from statistics import median, quantiles
from typing import TypeGuard

import pytest

from tests.architecture.source import PACKAGE, Source, sources

FUNCTION_MOST = 50  # code lines: no docstring, comment or blank line
FUNCTION_MEDIAN = 8
FUNCTION_P90 = 25
FILE_MOST = 500  # lines of any kind
FILE_MEDIAN = 180
TESTS_PER_CODE = 1.3  # code lines of tests for each code line of pmgsync
RATIO_FROM = 500  # code lines of pmgsync from which that ratio is asked for
LINES_PER_BROAD_EXCEPT = 1000

# "path" or "path:function" -> why it is larger than the budget
EXCEPTIONS: dict[str, str] = {}

CLOCK_FILE = "pmgsync/host/clock.py"
CLOCK_READERS = {"now", "utcnow", "today"}  # of datetime and date
VAGUE_NAMES = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}
EDGE = "# daemon edge:"

CODE = [source for source in sources(PACKAGE) if not source.generated]
TESTS = sources("tests")
EVERYTHING = [*CODE, *TESTS, *sources("demo", "bench", "fuzz", "scripts")]


def test_no_function_is_too_long() -> None:
    long = {
        f"{source.path}:{function.name}": function.code_lines
        for source in EVERYTHING
        for function in source.functions()
        if function.code_lines > FUNCTION_MOST
    }
    assert {where: lines for where, lines in long.items() if where not in EXCEPTIONS} == {}


def test_functions_are_short_as_a_rule() -> None:
    sizes = [function.code_lines for source in CODE for function in source.functions()]
    if len(sizes) < 2:
        pytest.skip("no two functions yet")
    p90 = quantiles(sizes, n=10, method="inclusive")[-1]
    assert (median(sizes) <= FUNCTION_MEDIAN, p90 <= FUNCTION_P90) == (True, True), (
        f"median {median(sizes)} of {FUNCTION_MEDIAN}, p90 {p90} of {FUNCTION_P90}"
    )


def test_no_file_is_too_long() -> None:
    long = {
        source.path: len(source.lines) for source in EVERYTHING if len(source.lines) > FILE_MOST
    }
    assert {path: lines for path, lines in long.items() if path not in EXCEPTIONS} == {}


def test_files_are_short_as_a_rule() -> None:
    sizes = [len(source.lines) for source in CODE if source.lines]
    assert median(sizes or [0]) <= FILE_MEDIAN


def test_every_exception_is_needed_and_says_why() -> None:
    paths = {source.path for source in EVERYTHING}
    assert [where for where in EXCEPTIONS if where.partition(":")[0] not in paths] == []
    assert [where for where, why in EXCEPTIONS.items() if len(why.split()) < 4] == []


def test_names_say_what_a_module_is_for() -> None:
    named = {part: source.path for source in EVERYTHING for part in source.module.split(".")}
    assert {path for name, path in named.items() if name in VAGUE_NAMES} == set()


def clock_reads(source: Source) -> Iterator[str]:
    for imported in source.imports:
        if imported.name.split(".")[0] == "time":
            yield f"{source.path}:{imported.line}: imports {imported.name}"
    for node in ast.walk(source.tree):
        if not isinstance(node, ast.Attribute) or node.attr not in CLOCK_READERS:
            continue
        owner = ast.unparse(node.value).rpartition(".")[2]
        if owner in {"datetime", "date"}:
            yield f"{source.path}:{node.lineno}: {ast.unparse(node)}"


def test_one_file_reads_the_clock() -> None:
    readers = [read for source in CODE if source.path != CLOCK_FILE for read in clock_reads(source)]
    assert readers == []


def broad_handlers(source: Source) -> Iterator[int]:
    """Lines that catch everything and go on: `except Exception` that does not end in `raise`."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ExceptHandler):
            if _is_broad(node.type) and not isinstance(node.body[-1], ast.Raise):
                yield node.lineno
        elif _is_suppress(node) and any(_is_broad(argument) for argument in node.args):
            yield node.lineno


def _is_suppress(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress")


def _is_broad(caught: ast.expr | None) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(
        name is None or ast.unparse(name) in {"Exception", "BaseException"} for name in names
    )


def test_errors_are_swallowed_only_at_the_edge_of_a_daemon() -> None:
    handlers = [(source, line) for source in CODE for line in broad_handlers(source)]
    unexplained = [f"{s.path}:{line}" for s, line in handlers if EDGE not in s.lines[line - 1]]
    assert unexplained == [], f"say '{EDGE} why' on that line, or catch something narrower"
    allowed = math.ceil(sum(len(source.lines) for source in CODE) / LINES_PER_BROAD_EXCEPT)
    assert len(handlers) <= allowed, [f"{source.path}:{line}" for source, line in handlers]


def test_nothing_is_mocked() -> None:
    mocks = {"mock", "unittest.mock", "pytest_mock"}
    used = [
        f"{source.path}:{imported.line}"
        for source in EVERYTHING
        for imported in source.imports
        if any(imported.name == mock or imported.name.startswith(f"{mock}.") for mock in mocks)
    ]
    assert used == [], "write a working double in tests/sim/ and run the contract suite on it"


def test_there_is_more_test_than_code() -> None:
    code = sum(len(source.code_lines) for source in CODE)
    tests = sum(len(source.code_lines) for source in TESTS)
    if code < RATIO_FROM:
        pytest.skip(f"{tests} lines of tests for {code} of code; asked for from {RATIO_FROM}")
    assert tests >= TESTS_PER_CODE * code, f"{tests} lines of tests for {code} of code"


def test_the_measures_measure() -> None:
    source = Source(
        "pmgsync/example.py",
        '"""Doc."""\n\nimport time\n\n\ndef f() -> None:\n    """Doc\n    doc."""\n'
        "    # comment\n    try:\n        datetime.datetime.now()\n    except Exception:\n"
        "        return\n    except (OSError, BaseException):\n        raise\n",
    )
    assert [f.code_lines for f in source.functions()] == [7]
    assert len(source.code_lines) == 8
    assert [read.partition(": ")[2] for read in clock_reads(source)] == [
        "imports time",
        "datetime.datetime.now",
    ]
    assert list(broad_handlers(source)) == [12]
