"""The source tree as values, for the tests of this folder: files, their imports, their code lines.

Only the standard library is used, so that the rules hold on every interpreter the suite runs on.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "pmgsync"

_NOT_CODE = {
    tokenize.COMMENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
    tokenize.INDENT,
    tokenize.NEWLINE,
    tokenize.NL,
}

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Import:
    """One imported name: `from a.b import c` is `a.b.c`, whether `c` is a module or not."""

    name: str
    line: int
    at_import_time: bool  # at module level and not only for the type checker


@dataclass(frozen=True)
class Function:
    name: str
    line: int
    code_lines: int


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: str  # relative to the root, with forward slashes
    text: str

    @property
    def module(self) -> str:
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    @property
    def generated(self) -> bool:
        return "_pb2" in Path(self.path).name

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def code_lines(self) -> frozenset[int]:
        """Numbers of the lines that hold code: not blank, not comment, not docstring."""
        held: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(self.text).readline):
            if token.type not in _NOT_CODE:
                held.update(range(token.start[0], token.end[0] + 1))
        return frozenset(held) - _docstring_lines(self.tree)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        return tuple(_imports(self.tree, self.module, self.path.endswith("__init__.py")))

    def functions(self) -> Iterator[Function]:
        """Every function and method; a nested one counts for itself and for the one around it."""
        for node in ast.walk(self.tree):
            if isinstance(node, FunctionNode):
                span = range(node.lineno, (node.end_lineno or node.lineno) + 1)
                yield Function(node.name, node.lineno, len(self.code_lines.intersection(span)))


def sources(*folders: str) -> list[Source]:
    """All Python files below these folders of the checkout, generated ones included."""
    found = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    return [Source(path.relative_to(ROOT).as_posix(), path.read_text("utf-8")) for path in found]


def _docstring_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Module | ast.ClassDef | FunctionNode) or not node.body:
            continue
        first = node.body[0]
        if (
            isinstance(first, ast.Expr)
            and isinstance(first.value, ast.Constant)
            and isinstance(first.value.value, str)
        ):
            lines.update(range(first.lineno, (first.end_lineno or first.lineno) + 1))
    return lines


def _imports(tree: ast.Module, module: str, is_package: bool) -> Iterator[Import]:
    late = _lines_run_late(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _absolute(node, module, is_package)
            names = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield Import(name, node.lineno, node.lineno not in late)


def _absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    keep = len(parts) - node.level + (1 if is_package else 0)
    return ".".join([*parts[:keep], *([node.module] if node.module else [])])


def _lines_run_late(tree: ast.Module) -> set[int]:
    """Lines inside functions and `if TYPE_CHECKING:`: imports there make no cycle."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        is_typing = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if isinstance(node, FunctionNode):
            lines.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
        elif is_typing and isinstance(node, ast.If):
            for child in node.body:
                lines.update(range(child.lineno, (child.end_lineno or child.lineno) + 1))
    return lines
