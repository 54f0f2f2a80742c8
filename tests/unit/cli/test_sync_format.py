"""What `pmgsync sync` says: every change, what is masked, whom it told."""

from typing import Any

import pytest

from pmgsync.agent.reactions import Answer, Told
from pmgsync.agent.service_files import Outlook
from pmgsync.cli.sync_format import SyncReport, by_hand, change_diff, sync_text
from pmgsync.render.plan import Change, ChangeKind
from pmgsync.render.targets import TLS_CERTIFICATE, Reaction, Service
from tests.unit.render.nodes import FACTS, Gateway

MAIN = "etc/postfix/main.cf"
RENDERED = tuple(Gateway().render().values())
CHANGED = Change(ChangeKind.CHANGED, MAIN, Service.POSTFIX, b"a = 1\n", b"a = 2\n")
RELOAD = (Reaction.POSTFIX_RELOAD,)


def report(*changes: Change, **more: Any) -> SyncReport:  # noqa: ANN401 - any field of it
    return SyncReport(Outlook(FACTS, RENDERED, changes), (), ())._replace(**more)


def test_nothing_to_do_is_one_line() -> None:
    assert sync_text(report(), diff=True) == "15 service files, all as they should be"


def test_each_change_is_a_line_with_its_service() -> None:
    removed = Change(ChangeKind.REMOVED, "root/x", Service.SPAMASSASSIN, b"x", None)
    lines = sync_text(report(CHANGED, removed), diff=False).splitlines()
    assert [line.split() for line in lines[:2]] == [
        ["changed", MAIN, "postfix"],
        ["removed", "root/x", "spamassassin"],
    ]
    assert lines[-1] == "15 service files, 2 changed"


def test_a_dry_run_speaks_of_what_would_be() -> None:
    text = sync_text(report(CHANGED, maps=("etc/pmg/domains",), dry=True), diff=False)
    assert "map of etc/pmg/domains: to be built" in text
    assert text.endswith("1 would change")


def test_whom_to_tell_is_said_until_they_were_told() -> None:
    assert sync_text(report(CHANGED, wanted=RELOAD), diff=False).endswith(
        "1 changed; to tell with --restart: postfix_reload"
    )
    answers = (Answer(RELOAD[0], Told.DONE, "postfix reload"),)
    text = sync_text(report(CHANGED, wanted=RELOAD, answers=answers), diff=False)
    assert "postfix_reload: done (postfix reload)" in text
    assert text.endswith("1 changed")


def test_notes_are_shown_without_control_characters() -> None:
    assert "\x1b" not in sync_text(report(notes=("no \x1b[2J here",)), diff=False)


def test_a_diff_has_the_lines() -> None:
    text = sync_text(report(CHANGED), diff=True)
    assert "-a = 1" in text
    assert "+a = 2" in text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"HTTPProxyPassword one\n", b"HTTPProxyPassword two\n"),
        (b"", b"smtp_password = two\n"),
        (b"x http://user:one@host/\n", b"x http://user:two@host/\n"),
    ],
)
def test_a_diff_masks_credentials(old: bytes, new: bytes) -> None:
    change = Change(ChangeKind.CHANGED, MAIN, Service.POSTFIX, old, new)
    shown = change_diff(change)
    assert shown
    assert "two" not in shown
    assert "one" not in shown


def test_of_a_certificate_only_is_told_that_there_is_one() -> None:
    change = Change(ChangeKind.NEW, TLS_CERTIFICATE, Service.POSTFIX, None, b"")
    assert change_diff(change).startswith(f"{TLS_CERTIFICATE}: (secret: content not shown")


def test_json_has_every_file_and_the_diff_only_if_asked_for() -> None:
    document = report(CHANGED, wanted=RELOAD).to_json(diff=False)
    assert len(document["files"]) == len(RENDERED)
    (row,) = [row for row in document["files"] if row["path"] == MAIN]
    assert (row["state"], row["service"], row["from"]) == ("changed", "postfix", "pmgsync")
    assert "diff" not in row
    (row,) = [row for row in report(CHANGED).to_json(diff=True)["files"] if row["path"] == MAIN]
    assert "+a = 2" in row["diff"]
    assert document["reactions"] == ["postfix_reload"]
    assert document["answers"] == []


def test_json_has_files_that_are_only_made_or_removed() -> None:
    made = Change(ChangeKind.NEW, "etc/postfix/senderaccess", Service.POSTFIX, None, b"")
    rows = {row["path"]: row for row in report(made).to_json(diff=False)["files"]}
    assert rows["etc/postfix/senderaccess"]["digest"] is None
    assert rows["etc/postfix/senderaccess"]["template"] is None


@pytest.mark.parametrize(
    ("mend", "said"),
    [
        ("see `lsattr`; it is retried by itself", "see `lsattr`; then run it again"),
        ("too little memory? It is tried again by itself", "too little memory? then run it again"),
        ("remove it", "remove it"),
    ],
)
def test_nobody_tries_again_by_itself(mend: str, said: str) -> None:
    assert by_hand(mend) == said
