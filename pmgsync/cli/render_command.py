"""`pmgsync render`: one template's output, with this node's variables or with given ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pmgsync.cli.command import Command, Place, print_json
from pmgsync.cli.dump_command import node_variables
from pmgsync.cli.facts_file import add_facts_option
from pmgsync.cli.rendering import OURS
from pmgsync.errors import ExitCode, InvalidError, UsageError
from pmgsync.host.clock import SystemClock
from pmgsync.host.template_path import TemplatePath
from pmgsync.model.manifest import digest_of
from pmgsync.render.adopting import adopted
from pmgsync.render.compile import Templates
from pmgsync.render.errors import TemplateError
from pmgsync.render.lookup import JINJA
from pmgsync.render.targets import OVERRIDES, PACKAGED
from pmgsync.render.tt2.options import options_from

if TYPE_CHECKING:
    import argparse

PMG_FOLDERS = (OVERRIDES, PACKAGED)
"""Where PMG looks, in its order: the admin's overrides, then what PMG ships."""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the template, below one of the folders")
    parser.add_argument(
        "--template-path",
        metavar="DIR:DIR",
        help="look in these folders, in order (default: PMG's below the root, then pmgsync's own)",
    )
    parser.add_argument(
        "--vars",
        metavar="FILE.json",
        help="a JSON object with all variables, instead of this node's; `-` reads it from stdin",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="for scripts: an object with the output, its digest, and the template's name and file",
    )
    add_facts_option(parser)
    parser.add_argument(
        "--option",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a parse option of Template Toolkit, like POST_CHOMP=1 (may be repeated)",
    )


def _render(options: argparse.Namespace, place: Place) -> int:
    if options.vars is not None and options.facts is not None:
        raise UsageError("--vars and --facts exclude each other: --vars has all variables")
    templates = Templates(options_from(options.option))
    path = template_path(options.template_path, place.root)
    if options.vars is not None:
        variables = _given_variables(options.vars)
    else:
        variables = dict(node_variables(place.root, options.facts))
    name = path.resolve(options.name)
    if name is None:
        looked = ", ".join(map(str, path.folders))
        raise TemplateError(f"not found; looked in {looked}", name=options.name)
    clock = SystemClock().monotonic
    if name.endswith(JINJA):
        from pmgsync.render.jinja import render_jinja

        output = render_jinja(
            name, {key: adopted(value) for key, value in variables.items()}, path, clock
        )
    else:
        output = templates.render(name, variables, path, clock)
    if options.json:
        print_json(_document(name, path, output))
        return ExitCode.FINE
    sys.stdout.flush()
    sys.stdout.buffer.write(output)
    sys.stdout.buffer.flush()
    return ExitCode.FINE


def _document(name: str, path: TemplatePath, output: bytes) -> dict[str, Any]:
    return {
        "template": name,
        "file": str(path.find(name)),
        "digest": digest_of(output),
        "output": output.decode("utf-8", "surrogateescape"),
    }


def template_path(given: str | None, root: Path) -> TemplatePath:
    """The folders of `--template-path`, else PMG's below the root, then the one that ships here."""
    if given is None:
        return TemplatePath([*(root / folder for folder in PMG_FOLDERS), OURS])
    folders = [Path(folder) for folder in given.split(":") if folder]
    if not folders:
        raise UsageError("--template-path names no folder")
    return TemplatePath(folders)


def _given_variables(file: str) -> dict[str, Any]:
    try:
        document = json.loads(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
    except ValueError as error:
        raise InvalidError(f"is no JSON: {error}", where=file) from None
    except RecursionError:
        raise InvalidError("is nested too deeply", where=file) from None
    if not isinstance(document, dict):
        raise InvalidError("must be a JSON object", where=file)
    return document


RENDER = Command(
    about="Print what a template gives, in Template Toolkit as PMG uses it, or in Jinja2 where its "
    "file is called NAME.j2. Nothing is written.",
    examples=(
        ("pmgsync render main.cf.in", "with this node's variables"),
        ("pmgsync render main.cf.in --vars node.json", "with exactly these variables"),
        ("pmgsync render t --template-path . --vars v.json", "any template, any variables"),
        ("pmgsync render t --vars v.json --option POST_CHOMP=1", "with a parse option"),
    ),
    run=_render,
    configure=_configure,
    codes=(ExitCode.REJECTED,),
    more="An error names the template and the line; then nothing is printed.",
)
