"""The services of a node beside its tree: prepare, promise, tell; and what a crash leaves."""

import asyncio
from dataclasses import replace

import pytest

from pmgsync.agent.reactions import Answer, Told, owed
from pmgsync.agent.service_work import ServiceWork
from pmgsync.agent.services import Services
from pmgsync.agent.telling import Telling
from pmgsync.errors import (
    CheckFailedError,
    HostError,
    InvalidError,
    MalformedError,
    PmgsyncError,
    StageError,
)
from pmgsync.model.facts import HostFacts
from pmgsync.model.manifest import digest_of
from pmgsync.model.scope import SPAMASSASSIN
from pmgsync.ports import FileKind
from pmgsync.render.plan import ChangeKind
from pmgsync.render.targets import PACKAGED, TLS_CERTIFICATE, Reaction
from tests.sim.host import FakeCommands, MemoryTree
from tests.unit.agent.serving import files_of, services_of
from tests.unit.agent.stage import at_once, in_loop
from tests.unit.render.nodes import CONF, conf

POSTFIX, CLAMD = Reaction.POSTFIX_RELOAD, Reaction.CLAMD_RESTART
MAIN = "etc/postfix/main.cf"
FRESHCLAM = "etc/clamav/freshclam.conf"


def machine(*folders: str) -> MemoryTree:
    """One with these folders; `etc/postfix` if none is named."""
    tree = MemoryTree()
    for folder in folders or ("etc/postfix",):
        tree.put(f"{folder}/readme")
    return tree


def nothing(_path: str) -> bytes | None:
    """The contents of a state without any file."""
    return None


def contents_of(work: ServiceWork) -> dict[str, bytes]:
    return {str(entry.path): work.contents[entry.digest] for entry in work.puts}


# --- what has to be written ---


def test_only_services_that_are_installed_get_files() -> None:
    work = services_of(machine()).prepare(nothing)
    assert {entry.path.rpartition("/")[0] for entry in work.puts} == {"etc/postfix"}
    assert work.reactions == (POSTFIX,)


def test_a_node_with_everything_gets_everything() -> None:
    tree = machine("etc/postfix", "etc/clamav", SPAMASSASSIN, "root", "etc/postgresql/15/main")
    paths = {entry.path for entry in services_of(tree).prepare(nothing).puts}
    assert {"root/.forward", "etc/clamav/clamd.conf", f"{SPAMASSASSIN}/local.cf"} <= paths
    assert "etc/postgresql/15/main/pg_hba.conf" in paths
    assert not {path for path in paths if "pmg-smtp-filter" in path}


def test_entries_have_digest_size_mode_owner_and_content() -> None:
    tree = machine("etc/clamav")
    work = services_of(tree).prepare(nothing)
    (entry,) = (e for e in work.puts if e.path == "etc/clamav/freshclam.conf")
    content = work.contents[entry.digest]
    assert (digest_of(content), len(content)) == (entry.digest, entry.size)
    assert (entry.mode, entry.ownership) == (0o600, "clamav:adm")


def test_the_overrides_of_the_state_to_be_count_and_pmgs_templates_in_the_tree() -> None:
    tree = machine("etc/postfix", "etc/clamav")
    tree.put(f"{PACKAGED}/clamd.conf.in", b"PMG's\n")
    tree.put("etc/pmg/templates/main.cf.in", b"lies there, but is not the state\n")
    state = {"etc/pmg/templates/main.cf.in": b"mine\n"}
    work = services_of(tree).prepare(state.get)
    contents = contents_of(work)
    assert contents[MAIN] == b"mine\n"
    assert contents["etc/clamav/clamd.conf"] == b"PMG's\n"


def test_what_cannot_be_rendered_is_refused_by_name_and_line() -> None:
    state = {"etc/pmg/templates/main.cf.in": b"a\nb\n[% FOREACH %]\n"}
    with pytest.raises(CheckFailedError, match=r"main\.cf\.in line 3"):
        services_of(machine()).prepare(state.get)


@pytest.mark.parametrize("error", [InvalidError("no master"), MalformedError("no address")])
def test_facts_that_cannot_be_told_refuse_the_state(error: PmgsyncError) -> None:
    def facts(_contents: object) -> HostFacts:
        raise error

    with pytest.raises(CheckFailedError, match=error.what):
        replace(files_of(machine()), facts=facts).look(nothing, alone=False)


def test_a_certificate_is_made_for_the_domain_and_only_then() -> None:
    tree = machine("etc/postfix", "etc/pmg")
    services = services_of(tree)
    assert TLS_CERTIFICATE not in {entry.path for entry in services.prepare(nothing).puts}
    work = services.prepare({CONF: conf(mail={"tls": 1})}.get)
    (entry,) = (e for e in work.puts if e.path == TLS_CERTIFICATE)
    assert work.contents[entry.digest] == b"key and certificate of example.com"
    assert entry.mode == 0o600


def test_a_look_makes_no_certificate() -> None:
    tree = machine("etc/postfix", "etc/pmg")
    outlook = files_of(tree).look({CONF: conf(mail={"tls": 1})}.get, alone=False)
    (change,) = (c for c in outlook.changes if c.path == TLS_CERTIFICATE)
    assert (change.kind, change.new) == (ChangeKind.NEW, b"")


# --- what is in the way ---

LEFT = "is a symbolic link and stays as it is; put a plain file there"


def test_a_link_in_the_place_of_a_file_is_said_and_left_and_the_others_go_on() -> None:
    tree = machine()
    tree.put_kind(MAIN, FileKind.LINK)
    outlook = files_of(tree).look(nothing, alone=False)
    assert outlook.left == (f"{MAIN}: {LEFT}",)
    assert MAIN not in {change.path for change in outlook.changes}
    assert "etc/postfix/master.cf" in {change.path for change in outlook.changes}
    assert MAIN not in dict(outlook.digests)


def test_a_link_where_nothing_is_wanted_needs_no_word() -> None:
    tree = machine("var/lib/pmg/spamassassin")
    tree.put_kind("var/lib/pmg/spamassassin/.razor", FileKind.LINK)
    tree.put_kind("root/.spamassassin", FileKind.LINK)
    mail = {"use_razor": 0, "use_bayes": 1, "use_awl": 1}
    assert files_of(tree).look({CONF: conf(spam=mail)}.get, alone=False).left == ()


@pytest.mark.parametrize("kind", [FileKind.FOLDER, FileKind.OTHER])
def test_whatever_else_is_no_file_is_left_as_well(kind: FileKind) -> None:
    tree = machine()
    tree.put_kind(MAIN, kind)
    outlook = files_of(tree).look(nothing, alone=False)
    assert [kind.value in line for line in outlook.left] == [True]


@pytest.mark.parametrize("makes_folders", [False, True])
@pytest.mark.parametrize("link", ["etc/postfix", "etc/clamav"])
def test_a_linked_folder_is_said_once_and_the_others_go_on(link: str, makes_folders: bool) -> None:
    tree = machine("etc/postfix", "etc/clamav")
    tree.put_kind(link, FileKind.LINK)
    files = replace(files_of(tree), makes_folders=makes_folders)
    outlook = files.look(nothing, alone=False)
    assert [line.partition(":")[0] for line in outlook.left] == [link]
    written = {change.path.rpartition("/")[0] for change in outlook.changes}
    assert link not in written
    assert {"etc/postfix", "etc/clamav"} - {link} <= written


def test_a_folder_that_the_daemon_cannot_write_holds_up_nothing_else() -> None:
    tree = machine("etc/postfix", "etc/clamav")
    tree.read_only.add("etc/clamav")
    outlook = files_of(tree).look(nothing, alone=False)
    (said,) = outlook.left
    assert said.startswith("etc/clamav: cannot be written")
    assert said.endswith("systemctl restart pmgsync")
    assert {change.path.rpartition("/")[0] for change in outlook.changes} == {"etc/postfix"}
    whole = replace(files_of(tree), makes_folders=True).look(nothing, alone=False)
    assert whole.left == ()


def test_a_linked_certificate_is_never_replaced() -> None:
    tree = machine("etc/postfix", "etc/pmg")
    tree.put_kind(TLS_CERTIFICATE, FileKind.LINK)
    outlook = files_of(tree).look({CONF: conf(mail={"tls": 1})}.get, alone=False)
    assert TLS_CERTIFICATE not in {change.path for change in outlook.changes}
    assert outlook.left == ()


@pytest.mark.parametrize("name", ["main.cf.in", "main.cf.in.j2"])
def test_what_is_made_of_a_linked_template_of_pmg_stays_as_it_is(name: str) -> None:
    tree = machine()
    tree.put(MAIN, b"made of it before")
    tree.put_kind(f"{PACKAGED}/{name}", FileKind.LINK)
    outlook = files_of(tree).look(nothing, alone=False)
    assert outlook.left == (f"{PACKAGED}/{name}: {LEFT}",)
    assert "etc/postfix/master.cf" in dict(outlook.digests)
    assert MAIN not in {change.path for change in outlook.changes}


def test_an_included_template_that_is_a_link_counts_as_well() -> None:
    tree = machine()
    tree.put(f"{PACKAGED}/main.cf.in", b"[% TRY %][% INCLUDE more.inc %][% CATCH %][% END %]")
    tree.put_kind(f"{PACKAGED}/more.inc", FileKind.LINK)
    outlook = files_of(tree).look(nothing, alone=False)
    assert MAIN not in dict(outlook.digests)
    assert outlook.left == (f"{PACKAGED}/more.inc: {LEFT}",)


def test_a_source_that_is_a_link_is_an_error_and_not_an_empty_file() -> None:
    tree = machine("etc/postfix", "etc/pmg")
    tree.put_kind(CONF, FileKind.LINK)
    files = files_of(tree)
    with pytest.raises(HostError, match="symbolic link"):
        files.look(files.lies_at, alone=True)


# --- mode and owner ---


def test_mode_and_owner_are_put_right_and_nobody_is_told() -> None:
    tree = machine("etc/clamav")
    tree.owners.add("clamav:adm")
    services = services_of(tree)
    carry_out(services, tree, {})
    inode = tree.stat(FRESHCLAM)
    work = services.prepare(nothing)
    assert (work.puts, work.reactions) == ((), ()), "only mode and owner"
    assert {str(entry.path) for entry in work.attributes} == {FRESHCLAM}
    (said,) = services.files.put_right(work)
    assert said == f"{FRESHCLAM}: mode and owner were put right (0600 clamav:adm)"
    now = tree.stat(FRESHCLAM)
    assert inode is not None
    assert now == replace(inode, mode=0o600, ownership="clamav:adm")
    assert not services.prepare(nothing).attributes


def test_what_cannot_be_put_right_is_said() -> None:
    tree = machine("etc/clamav")
    services = services_of(tree)
    carry_out(services, tree, {})
    work = services.prepare(nothing)
    tree.read_only.add(FRESHCLAM)
    (said,) = services.files.put_right(work)
    assert "read-only" in said


def test_what_was_learned_is_removed() -> None:
    tree = machine("root/.spamassassin")
    tree.put("root/.spamassassin/bayes_toks", b"learned")
    work = services_of(tree).prepare(nothing)
    assert work.deletes == ("root/.spamassassin/bayes_toks",)
    assert bool(work)


# --- promising and telling ---


def carry_out(services: Services, tree: MemoryTree, state: dict[str, bytes]) -> None:
    work = services.prepare(state.get)
    with services.promising(work.reactions, lambda: True):
        for entry in work.puts:
            tree.put(entry.path, work.contents[entry.digest])


def test_whom_to_tell_is_durable_before_anything_is_written() -> None:
    tree = machine()
    services = services_of(tree)
    work = services.prepare(nothing)
    with services.promising(work.reactions, lambda: True):
        assert owed(tree) == (POSTFIX,)


def test_what_runs_is_known_once_it_is_written() -> None:
    tree = machine()
    services = services_of(tree)
    assert services.rendered == ()
    carry_out(services, tree, {})
    digests: dict[str, str] = dict(services.rendered)
    assert digests[MAIN] == digest_of(tree.files()[MAIN])
    assert set(digests) == {MAIN, "etc/postfix/master.cf"}


def test_a_failure_takes_the_promise_back() -> None:
    tree = machine()
    services = services_of(tree)
    work = services.prepare(nothing)
    with pytest.raises(StageError), services.promising(work.reactions, lambda: True):
        raise StageError("the disk is full")
    assert owed(tree) == ()
    assert not services.waiting
    assert services.rendered == ()


def test_a_failure_that_may_still_be_finished_keeps_the_promise() -> None:
    tree = machine()
    services = services_of(tree)
    work = services.prepare(nothing)
    with pytest.raises(StageError), services.promising(work.reactions, lambda: False):
        raise StageError("neither forth nor back")
    assert owed(tree) == (POSTFIX,)
    assert services.waiting


def test_a_promise_that_cannot_be_taken_back_hides_no_error() -> None:
    tree = FullTree()
    tree.put("etc/postfix/readme")
    services = services_of(tree)
    work = services.prepare(nothing)

    def fail() -> None:
        with services.promising(work.reactions, lambda: True):
            tree.is_full = True
            raise StageError("the first")

    with pytest.raises(StageError, match="the first"):
        fail()
    assert services.waiting, "better once too often"


def test_those_that_were_taken_are_owed_until_they_were_told() -> None:
    tree = machine()
    services = services_of(tree)
    carry_out(services, tree, {})
    assert services.take() == (POSTFIX,)
    assert owed(tree) == (POSTFIX,)
    assert services.told([Answer(POSTFIX, Told.DONE)]) == ()
    assert owed(tree) == ()


def test_a_failure_to_tell_is_said_and_not_tried_for_ever() -> None:
    tree = machine()
    services = services_of(tree)
    carry_out(services, tree, {})
    services.take()
    assert services.told([Answer(POSTFIX, Told.FAILED, "bad")]) == ("postfix_reload: failed (bad)",)
    assert owed(tree) == ()
    assert not services.waiting


class FullTree(MemoryTree):
    """No room for another file, nor for the removal of one."""

    is_full = False

    def write(self, path: str, content: bytes, *, mode: int, ownership: str) -> str:
        if self.is_full:
            raise StageError("no space left on the disk", where=path)
        return super().write(path, content, mode=mode, ownership=ownership)

    def remove(self, path: str) -> None:
        if self.is_full:
            raise StageError("no space left on the disk", where=path)
        super().remove(path)


def test_a_disk_that_is_full_when_they_were_told_is_said_and_ends_nothing() -> None:
    tree = FullTree()
    tree.put("etc/postfix/readme")
    services = services_of(tree)
    carry_out(services, tree, {})
    services.take()
    tree.is_full = True
    (said,) = services.told([Answer(POSTFIX, Told.DONE)])
    assert "no space left" in said


def test_what_changes_while_a_service_is_told_is_told_again() -> None:
    tree = machine()
    services = services_of(tree)
    carry_out(services, tree, {})
    services.take()
    carry_out(services, tree, {CONF: conf(mail={"relay": "192.0.2.25"})})
    services.told([Answer(POSTFIX, Told.DONE)])
    assert owed(tree) == (POSTFIX,)
    assert services.waiting


def test_after_a_crash_the_services_that_were_not_told_are() -> None:
    tree = machine()
    services = services_of(tree)
    carry_out(services, tree, {})
    services.take()
    again = services_of(tree)
    again.recover()
    assert again.waiting
    assert again.take() == (POSTFIX,)


def test_nothing_is_written_down_where_nobody_is_to_be_told() -> None:
    tree = machine()
    services = services_of(tree)
    carry_out(services, tree, {})
    services.take()
    services.told([])
    before = dict(tree.files(leavings=True))
    carry_out(services, tree, {})
    assert tree.files(leavings=True) == before


# --- the loop ---


class Listener:
    def __init__(self) -> None:
        self.came = asyncio.Event()

    async def __call__(self) -> None:
        self.came.set()

    async def heard(self) -> None:
        await self.came.wait()
        self.came.clear()


@in_loop
async def test_the_loop_tells_whom_it_is_woken_for() -> None:
    tree, commands, said = machine(), FakeCommands(), Listener()
    commands.answer("postfix_reload")
    services = services_of(tree, commands)
    telling = Telling(services, at_once, asyncio.Lock(), said)
    task = asyncio.create_task(telling.run())
    telling.wake()
    await asyncio.sleep(0)
    assert commands.ran == [], "nobody to tell"
    carry_out(services, tree, {})
    telling.wake()
    await said.heard()
    assert commands.ran == [("postfix_reload",)]
    assert not telling.failures
    commands.answer("postfix_reload", 1, "no")
    carry_out(services, tree, {CONF: conf(mail={"relay": "192.0.2.25"})})
    telling.wake()
    await said.heard()
    assert list(telling.failures) == ["postfix_reload: failed (postfix_reload: no)"]
    task.cancel()


@in_loop
async def test_a_node_without_services_has_no_loop() -> None:
    telling = Telling(None, at_once, asyncio.Lock(), Listener())
    telling.wake()
    await telling.run()
