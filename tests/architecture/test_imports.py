"""Who may import whom.

    errors <- model <- pmgconf <- render  <--  master, agent  <--  cli
                ^                                |                  |
                '--- ports <---------------------'                  |
                       ^                                            |
                       '------------ host, wire (adapters)  <-------'

`master` and `agent` never import each other; neither imports an adapter; only `cli` builds adapters
and hands them in. The left half is pure: bytes and values in, values out. `survey` stands on
`ports` and is what master and agent share. import-linter checks the directions too
(pyproject.toml); the table here also says which part may use which library, and needs no tool.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.architecture.source import PACKAGE, ROOT, Import, Source, sources

# What touches the machine, the network, the clock or another thread.
MACHINE = frozenset(
    [
        *(
            "os",
            "os.path",
            "pathlib.Path",
            "shutil",
            "tempfile",
            "glob",
            "mmap",
            "fcntl",
            "sqlite3",
        ),
        *(
            "socket",
            "socketserver",
            "ssl",
            "select",
            "selectors",
            "http",
            "urllib.request",
            "smtplib",
        ),
        *("subprocess", "multiprocessing", "signal", "threading", "_thread", "ctypes", "pty"),
        *("time", "pwd", "grp", "resource", "termios"),
    ]
)
LOOP = frozenset(["asyncio", "concurrent", "logging"])


@dataclass(frozen=True)
class Rule:
    ours: str  # parts of pmgsync that it may import, itself aside
    libraries: str  # third-party packages that it may import
    banned: frozenset[str]  # modules of the standard library that it may not


PURE = MACHINE | LOOP
ANY = frozenset[str]()

# fmt: off
CORES = "errors model pmgconf render ports join_ports survey"
RULES = {
    # part            ours                   libraries            not from the standard library
    "__init__": Rule("",                     "",                  PURE),
    "errors":   Rule("",                     "",                  PURE),
    "model":    Rule("errors",               "",                  PURE),
    "pmgconf":  Rule("errors model",         "",                  PURE),
    "render":   Rule("errors model pmgconf", "jinja2",            PURE),
    "ports":    Rule("errors model",         "",                  PURE),
    "join_ports": Rule("errors model",       "",                  PURE),
    "survey":   Rule("errors model ports",   "",                  PURE),
    "host":     Rule("errors model ports",   "psycopg watchdog",  ANY),
    "wire":     Rule("errors model ports join_ports",
                                             "google grpc",       ANY),
    "master":   Rule(CORES,                  "",                  MACHINE),
    "agent":    Rule(CORES,                  "tenacity",          MACHINE),
    "cli":      Rule(f"{CORES} host wire master agent __init__",
                                             "cryptography grpc", ANY),
    "__main__": Rule("cli",                  "",                  PURE),
}
# fmt: on

# Single files that may use one library more than their folder.
ALSO = {
    "pmgsync.model.keys": "cryptography",
    "pmgsync.render.perl.regex": "regex",
    "pmgsync.wire.certificates": "cryptography",
}

CODE = [source for source in sources(PACKAGE) if not source.generated]


def part_of(module: str) -> str:
    """`pmgsync.model.keys` -> `model`; the package itself is `__init__`."""
    return module.split(".")[1] if "." in module else "__init__"


def is_or_below(name: str, modules: frozenset[str]) -> bool:
    """Whether `name`, or a module that it is part of, is one of `modules`."""
    parts = name.split(".")
    return any(".".join(parts[:end]) in modules for end in range(1, len(parts) + 1))


def objections(source: Source, rule: Rule) -> Iterator[str]:
    ours = {*rule.ours.split(), part_of(source.module)}
    libraries = frozenset({*rule.libraries.split(), *ALSO.get(source.module, "").split()})
    for imported in source.imports:
        where = f"{source.path}:{imported.line}: {imported.name}"
        top = imported.name.split(".")[0]
        if top == PACKAGE:
            target = part_of(_module_named(imported.name))
            if target not in ours:
                yield f"{where}: {part_of(source.module)} may not import {target}"
        elif top in sys.stdlib_module_names:
            if is_or_below(imported.name, rule.banned):
                yield f"{where}: not in {part_of(source.module)}"
        elif top not in libraries:
            yield f"{where}: {top} is not a library of {part_of(source.module)}"


_MODULES = {source.module for source in sources(PACKAGE)}


def _module_named(name: str) -> str:
    """The module behind an imported name: the longest prefix that is a file of ours."""
    while "." in name and name not in _MODULES:
        name = name.rpartition(".")[0]
    return name


def _edges(source: Source, imports: tuple[Import, ...]) -> set[str]:
    targets = {_module_named(i.name) for i in imports if i.at_import_time}
    return {target for target in targets if target in _MODULES and target != source.module}


def test_every_part_of_the_package_has_a_rule() -> None:
    parts = {path.stem for path in (ROOT / PACKAGE).iterdir() if path.name != "__pycache__"}
    assert parts - {"py"} <= RULES.keys(), "add the new part to RULES (and to pyproject.toml)"


def test_every_folder_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / PACKAGE).rglob("*.py")}
    assert [str(f) for f in sorted(folders) if not (f / "__init__.py").exists()] == []


@pytest.mark.parametrize("part", RULES)
def test_a_part_imports_only_what_its_rule_allows(part: str) -> None:
    mine = [source for source in CODE if part_of(source.module) == part]
    assert [o for source in mine for o in objections(source, RULES[part])] == []


def test_no_module_imports_itself_through_others() -> None:
    graph = {source.module: _edges(source, source.imports) for source in CODE}
    # Take away, again and again, what imports nothing that is left: the rest is on a cycle, or
    # imports one.
    while free := {module for module, needs in graph.items() if not needs & graph.keys()}:
        graph = {module: needs for module, needs in graph.items() if module not in free}
    assert {module: sorted(needs & graph.keys()) for module, needs in graph.items()} == {}


@pytest.mark.parametrize(
    ("module", "line", "objected"),
    [
        ("pmgsync.model.diff", "import os.path", True),
        ("pmgsync.model.diff", "from pathlib import Path", True),
        ("pmgsync.model.diff", "from pathlib import PurePosixPath", False),
        ("pmgsync.model.diff", "from cryptography import x509", True),
        ("pmgsync.model.keys", "from cryptography import x509", False),
        ("pmgsync.model.diff", "def f():\n    import grpc", True),
        ("pmgsync.agent.link", "from pmgsync import master", True),
        ("pmgsync.agent.link", "from pmgsync.master.feed import Feed", True),
        ("pmgsync.agent.link", "import tenacity", False),
        ("pmgsync.master.feed", "import tenacity", True),
        ("pmgsync.master.feed", "import sqlite3", True),
        ("pmgsync.master.feed", "import asyncio", False),
        ("pmgsync.host.disk", "from pmgsync.render import plan", True),
        ("pmgsync.host.disk", "from ..errors import HostError", False),
        ("pmgsync.wire.server", "import grpc.aio", False),
    ],
)
def test_the_rules_catch_what_they_should(module: str, line: str, objected: bool) -> None:
    source = Source(module.replace(".", "/") + ".py", line)
    assert bool(list(objections(source, RULES[part_of(module)]))) is objected
