"""`pmgsync domain`, `transport`, `network`, ...: the list files, shown and changed.

All have the same verbs, made from the rows of `list_files.py`. What is there already as it should
be is no error, so that a script may be run twice; what is there differently is one, and so is
removing what is not there.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pmgsync.cli.changing import (
    add_json,
    change_entries,
    jsonable,
    listed_json,
    not_there,
    read_entries,
    tell,
)
from pmgsync.cli.command import Command, Place, print_json, say
from pmgsync.cli.list_files import FILES
from pmgsync.cli.tables import table
from pmgsync.errors import ExitCode, OperatorError
from pmgsync.model.paths import printable
from pmgsync.pmgconf.lists import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pmgsync.cli.changing import Entries
    from pmgsync.cli.list_files import Column, ListedFile

WRITE_CODES = (ExitCode.REJECTED, ExitCode.NO_MASTER)


def comment(text: str) -> str:
    """A comment of one line, for argparse."""
    if not text.isprintable():
        raise argparse.ArgumentTypeError("a comment is one line of printable characters")
    return text.strip()


def with_added(
    entries: Entries, new: Sequence[Any], file: ListedFile, *, replace: bool, keep_comment: bool
) -> Entries:
    """The entries with the new ones in; `OperatorError` for one that is there differently, unless
    it may be replaced.
    """
    known = {file.lookup(key): key for key in entries}
    for entry in new:
        key = known.get(file.lookup(entry.key))
        old = entries.get(key) if key is not None else None
        if old is not None:
            entry = _like(old, entry, file) if keep_comment else entry
            if _value(old) == _value(entry._replace(key=old.key)):
                say(f"{shown(old.key)} is there already")
                continue
            if not replace:
                raise _there_differently(old, file)
            del entries[old.key]
        entries[entry.key] = entry
        known[file.lookup(entry.key)] = entry.key
    return entries


def without(entries: Entries, keys: Sequence[str], file: ListedFile) -> Entries:
    """The entries without those of `keys`; `OperatorError` for one that is not there."""
    for key in keys:
        del entries[found(entries, key, file)]
    return entries


def found(entries: Entries, key: str, file: ListedFile) -> str:
    """The key under which the file has what is asked for; `OperatorError` if it has not."""
    if key in entries:
        return key
    folded = file.lookup(key)
    spellings = [one for one in entries if file.lookup(one) == folded]
    if not spellings:
        raise not_there(key, entries, file.path)
    return spellings[0]


def _like(old: Any, entry: Any, file: ListedFile) -> Any:  # noqa: ANN401 # the entries of any file
    return entry._replace(comment=old.comment) if file.has_comments else entry


def _value(entry: Any) -> Any:  # noqa: ANN401 # the entries of any file
    written = getattr(entry, "written", None)
    entry = entry._replace(line=0)
    return entry if written is None else entry._replace(score=written)


def _there_differently(old: Any, file: ListedFile) -> OperatorError:  # noqa: ANN401
    values = [text for text in map(cell, [column.value(old) for column in file.columns]) if text]
    mend = (
        f"change its comment with `pmgsync {file.command} set-comment`"
        if file.configure is None
        else "--replace changes it"
    )
    return OperatorError(
        f"is there already, differently: {' '.join(values)}",
        where=f"{file.path}:{old.line}",
        mend=mend,
    )


def cell(value: object) -> str:
    """A value for a table: one line, printable."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(jsonable(str(value)))


def _json_value(value: object) -> object:
    return jsonable(value) if isinstance(value, str) else value


def list_verb(file: ListedFile) -> Command:
    """`list`."""

    def run(options: argparse.Namespace, place: Place) -> int:
        parsed = read_entries(place.root, file.path, file.kind)
        entries = list(parsed.entries.values())
        if options.json:
            print_json(listed_json(parsed, [_as_json(entry, file.columns) for entry in entries]))
        elif entries:
            rows = [[cell(column.value(entry)) for column in file.columns] for entry in entries]
            print("\n".join(table([[column.heading for column in file.columns], *rows])))
        else:
            say(f"no {file.noun} is set")
        return ExitCode.FINE

    return Command(
        about=f"List the {file.plural}.",
        examples=(
            (f"pmgsync {file.command} list", ""),
            (f"pmgsync {file.command} list --json", ""),
        ),
        run=run,
        configure=add_json,
    )


def _as_json(entry: Any, columns: Sequence[Column]) -> dict[str, object]:  # noqa: ANN401
    return {column.name: _json_value(column.value(entry)) for column in columns} | {
        "line": entry.line
    }


def add_verb(file: ListedFile) -> Command:
    """`add`."""

    def run(options: argparse.Namespace, place: Place) -> int:
        keys = options.keys if file.configure is None else [options.key]
        new = [file.entry(key, options) for key in keys]
        given = getattr(options, "comment", None)
        replace = getattr(options, "replace", False)

        def change(entries: Entries) -> Entries:
            file.guard(place.root)
            return with_added(entries, new, file, replace=replace, keep_comment=given is None)

        changed = change_entries(place.root, file.path, file.kind, change)
        done, of = ("set", "in") if replace else ("added", "to")
        text = f"{done} {_named(keys, file)} {of} /{file.path}" if changed else ""
        tell(options, file.path, keys, text, changed=changed)
        return ExitCode.FINE

    return Command(
        about=f"Add {file.one}. One that is there already, just so, is no error.",
        examples=((f"pmgsync {file.command} add {file.example[0]}", file.example[1]),),
        run=run,
        configure=lambda parser: _configure_add(parser, file),
        codes=WRITE_CODES,
        more=NO_COMMENTS if not file.has_comments else "",
    )


NO_COMMENTS = "PMG keeps no comments in this file."


def _configure_add(parser: argparse.ArgumentParser, file: ListedFile) -> None:
    if file.configure is None:
        parser.add_argument(
            "keys", metavar=file.metavar, nargs="+", type=file.key, help="one or several"
        )
    else:
        parser.add_argument("key", metavar=file.metavar, type=file.key, help="which one")
        file.configure(parser)
        parser.add_argument(
            "--replace", action="store_true", help="change it, where it is there differently"
        )
    if file.has_comments:
        parser.add_argument("--comment", type=comment, metavar="TEXT", help="a word about it")
    add_json(parser)


def remove_verb(file: ListedFile) -> Command:
    """`remove`."""

    def run(options: argparse.Namespace, place: Place) -> int:
        def change(entries: Entries) -> Entries:
            file.guard(place.root)
            return without(entries, options.keys, file)

        change_entries(place.root, file.path, file.kind, change)
        text = f"removed {_named(options.keys, file)} from /{file.path}"
        tell(options, file.path, options.keys, text)
        return ExitCode.FINE

    return Command(
        about=f"Remove {file.plural}: all that are named, or none.",
        examples=((f"pmgsync {file.command} remove {file.example[0].split()[0]}", ""),),
        run=run,
        configure=lambda parser: _add_keys(parser, file),
        codes=WRITE_CODES,
    )


def _add_keys(parser: argparse.ArgumentParser, file: ListedFile) -> None:
    parser.add_argument("keys", metavar=file.metavar, nargs="+", help="as `list` shows it")
    add_json(parser)


def comment_verb(file: ListedFile) -> Command:
    """`set-comment`."""

    def run(options: argparse.Namespace, place: Place) -> int:
        def change(entries: Entries) -> Entries:
            file.guard(place.root)
            key = found(entries, options.key, file)
            return entries | {key: entries[key]._replace(comment=options.comment)}

        key = shown(options.key)
        changed = change_entries(place.root, file.path, file.kind, change)
        text = f"set the comment of {key} in /{file.path}"
        text = text if changed else f"{key} has that comment already"
        tell(options, file.path, [options.key], text, changed=changed)
        return ExitCode.FINE

    def configure(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("key", metavar=file.metavar, help="as `list` shows it")
        parser.add_argument("comment", type=comment, metavar="TEXT", help="'' removes the comment")
        add_json(parser)

    key = file.example[0].split()[0]
    return Command(
        about=f"Set the comment of {file.one}.",
        examples=((f"pmgsync {file.command} set-comment {key} 'since 2024'", ""),),
        run=run,
        configure=configure,
        codes=WRITE_CODES,
    )


def _named(keys: Sequence[str], file: ListedFile) -> str:
    return shown(keys[0]) if len(keys) == 1 else f"{len(keys):,} {file.plural}"


def _command(file: ListedFile) -> Command:
    verbs: dict[str, Callable[[ListedFile], Command]] = {
        "list": list_verb,
        "add": add_verb,
        "remove": remove_verb,
    }
    if file.has_comments:
        verbs["set-comment"] = comment_verb
    return Command(
        about=f"Show and change {file.meaning} (/{file.path}).",
        examples=(
            (f"pmgsync {file.command} list", ""),
            (f"pmgsync {file.command} add {file.example[0]}", file.example[1]),
        ),
        verbs={name: make(file) for name, make in verbs.items()},
        codes=WRITE_CODES,
    )


DOMAIN, DKIM_DOMAIN, TRANSPORT, NETWORK, TLS_POLICY, TLS_INBOUND, SCORE = map(_command, FILES)
