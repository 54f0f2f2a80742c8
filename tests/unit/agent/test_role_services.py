"""The agent makes the service files that depend on a version, in the same step, and tells only the
services whose files changed.
"""

from contextlib import suppress
from itertools import groupby

import pytest

from pmgsync.agent.reactions import OWED
from pmgsync.model.changeset import Position
from pmgsync.model.manifest import digest_of
from pmgsync.model.report import Outcome
from pmgsync.render.targets import MAPPED, Reaction
from tests.sim.killing import Killed
from tests.unit.agent.serving import services_of
from tests.unit.agent.stage import Gate, Stage, in_loop
from tests.unit.render.nodes import CONF, conf

DOMAINS, OVERRIDE = "etc/pmg/domains", "etc/pmg/templates/main.cf.in"
MAIN, MASTER = "etc/postfix/main.cf", "etc/postfix/master.cf"
CLAMD = "etc/clamav/clamd.conf"
FIRST = {CONF: conf(mail={"relay": "192.0.2.25"}), DOMAINS: b"example.com 1\n"}


def a_stage(*, authored: bool = False, postfix: bool = True) -> Stage:
    """A node with Postfix and ClamAV."""
    stage = Stage(authored=authored, postfix=postfix)
    stage.tree.owners.add("clamav:adm")
    for folder in ("etc/postfix", "etc/clamav"):
        stage.tree.put(f"{folder}/readme")
        stage.tree.service_folders.add(folder)
    for reaction in Reaction:
        stage.commands.answer(reaction.value)
    stage.services = lambda: services_of(stage.tree, stage.commands)
    stage.role = stage.build()
    return stage


def told(stage: Stage) -> list[str]:
    """The reactions that were carried out, in order."""
    names = {reaction.value for reaction in Reaction}
    return [argv[0] for argv in stage.commands.ran if argv[0] in names]


@in_loop
async def test_a_version_brings_its_service_files_along() -> None:
    async with a_stage().running() as stage:
        await stage.offer(stage.author.version(FIRST))
        files = stage.tree.files()
        assert b"relay_transport = relay:[192.0.2.25]:25" in files[MAIN]
        assert files[CLAMD]
        assert files["etc/postfix/senderaccess"] == b""
        report = stage.reports[-1]
        assert report.outcome is Outcome.ACTIVATED
        assert dict(report.rendered)[MAIN] == digest_of(files[MAIN])
        assert set(dict(report.rendered)) == {MAIN, MASTER, CLAMD, "etc/clamav/freshclam.conf"}
        assert told(stage) == ["postfix_reload", "clamd_restart", "freshclam_restart"]


@in_loop
async def test_synced_and_service_files_are_one_step() -> None:
    async with a_stage().running() as stage:
        await stage.offer(stage.author.version(FIRST))
        runs = groupby(stage.tree.steps.taken, lambda step: step.startswith("rename"))
        at_once = [{step.split()[-1] for step in run} for renames, run in runs if renames]
        (step,) = [targets for targets in at_once if CONF in targets]
        assert {CONF, DOMAINS, f"{DOMAINS}.db", MAIN, MASTER, CLAMD} <= step


@in_loop
async def test_postfix_gets_a_map_for_each_file_that_it_asks_for() -> None:
    async with a_stage().running() as stage:
        await stage.offer(stage.author.version(FIRST))
        assert {f"{path}.db" for path in MAPPED} <= set(stage.tree.files(leavings=True))
        assert set(MAPPED) & set(stage.tree.files()) == {DOMAINS}


@in_loop
async def test_a_new_domain_makes_no_service_file_and_tells_nobody() -> None:
    async with a_stage().running() as stage:
        await stage.offer(stage.author.version(FIRST))
        before, steps = told(stage), len(stage.tree.steps.taken)
        await stage.offer(stage.author.version({**FIRST, DOMAINS: b"example.org 1\n"}))
        assert told(stage) == before
        assert not [s for s in stage.tree.steps.taken[steps:] if "etc/postfix" in s]
        assert stage.reports[-1].rendered == stage.reports[-2].rendered != ()


@in_loop
async def test_an_empty_file_is_one_to_make_service_files_of() -> None:
    async with a_stage().running() as stage:
        empty = {**FIRST, "etc/pmg/transport": b"", "etc/pmg/mynetworks": b"", OVERRIDE: b""}
        await stage.offer(stage.author.version(empty))
        assert stage.reports[-1].outcome is Outcome.ACTIVATED
        assert stage.tree.files()[MAIN] == b""


@in_loop
async def test_only_the_service_whose_files_changed_is_told() -> None:
    async with a_stage().running() as stage:
        await stage.offer(stage.author.version(FIRST))
        stage.commands.ran.clear()
        changed = conf(mail={"relay": "192.0.2.26"})
        await stage.offer(stage.author.version({**FIRST, CONF: changed}))
        assert told(stage) == ["postfix_reload"]
        changed = conf(mail={"relay": "192.0.2.26"}, clamav={"archivemaxrec": 9})
        await stage.offer(stage.author.version({**FIRST, CONF: changed}))
        assert told(stage) == ["postfix_reload", "clamd_restart"]


@in_loop
async def test_a_broken_template_is_refused_by_name_and_line_and_changes_nothing() -> None:
    async with a_stage().running() as stage:
        await stage.offer(stage.author.version(FIRST))
        before = stage.tree.files(leavings=True)
        broken = {**FIRST, OVERRIDE: b"one\n[% IF pmg.mail.tls %]\n", DOMAINS: b"new.example 1\n"}
        await stage.offer(stage.author.version(broken))
        report = stage.reports[-1]
        assert (report.active, report.outcome) == (Position(1, 1), Outcome.INVALID)
        assert "main.cf.in line" in report.detail
        assert stage.tree.files(leavings=True) == before
        assert stage.tree.staged() == []
        await stage.offer(stage.author.version({**FIRST, OVERRIDE: b"mended\n"}))
        assert stage.tree.files()[MAIN] == b"mended\n"


@in_loop
async def test_the_masters_own_node_makes_service_files_and_no_synced_one() -> None:
    async with a_stage(authored=True).running() as stage:
        for path, content in FIRST.items():
            stage.tree.put(path, content)
        version = stage.author.version(FIRST)
        stage.store.add_contents(version.contents)
        await stage.offer(version)
        assert b"192.0.2.25" in stage.tree.files()[MAIN]
        assert "postfix_reload" in told(stage)
        assert not [s for s in stage.tree.steps.taken if s.endswith(CONF) or s.endswith(DOMAINS)]


@in_loop
async def test_an_edited_service_file_is_put_back_and_its_service_told() -> None:
    async with a_stage().running() as stage:
        await stage.offer(stage.author.version(FIRST))
        wanted = stage.tree.files()[MAIN]
        stage.commands.ran.clear()
        stage.tree.put(MAIN, b"edited by hand\n")
        await stage.look(everywhere=True)
        assert stage.tree.files()[MAIN] == wanted
        assert told(stage) == ["postfix_reload"]


@in_loop
async def test_a_template_of_pmg_that_was_upgraded_counts_from_the_next_look() -> None:
    async with a_stage().running() as stage:
        await stage.offer(stage.author.version(FIRST))
        stage.tree.put("var/lib/pmg/templates/clamd.conf.in", b"of the new release\n")
        await stage.look(everywhere=True)
        assert stage.tree.files()[CLAMD] == b"of the new release\n"
        assert dict(stage.reports[-1].rendered)[CLAMD] == digest_of(b"of the new release\n")


@in_loop
async def test_a_broken_template_of_pmg_is_said_and_heals() -> None:
    async with a_stage().running() as stage:
        await stage.offer(stage.author.version(FIRST))
        stage.tree.put("var/lib/pmg/templates/clamd.conf.in", b"[% END %]")
        await stage.look(everywhere=True)
        assert any("clamd.conf.in line 1" in note for note in stage.reports[-1].notes)
        stage.tree.drop("var/lib/pmg/templates/clamd.conf.in")
        await stage.pass_time(5)
        assert stage.reports[-1].notes == ()


@in_loop
async def test_a_failed_reload_is_said_in_the_report() -> None:
    stage = a_stage()
    stage.commands.answer("postfix_reload", 1, "no such thing")
    async with stage.running():
        await stage.offer(stage.author.version(FIRST))
        assert stage.reports[-1].outcome is Outcome.ACTIVATED
        assert any("no such thing" in note for note in stage.reports[-1].notes)
        stage.commands.answer("postfix_reload")
        await stage.offer(stage.author.version({**FIRST, OVERRIDE: b"other\n"}))
        assert stage.reports[-1].notes == ()


@in_loop
async def test_a_service_that_takes_long_to_restart_holds_up_no_version() -> None:
    stage, gate = a_stage(), Gate()
    stage.apart = gate
    stage.role = stage.build()
    async with stage.running():
        await stage.offer(stage.author.version(FIRST))
        assert gate.waiting == 1
        await stage.offer(stage.author.version({**FIRST, DOMAINS: b"example.org 1\n"}))
        assert stage.reports[-1].active == Position(1, 2)
        assert told(stage) == []
        gate.open()
        await stage.settle()
        assert told(stage) == ["postfix_reload", "clamd_restart", "freshclam_restart"]


@in_loop
async def test_after_a_restart_those_that_were_not_told_are() -> None:
    stage, gate = a_stage(), Gate()
    stage.apart = gate
    stage.role = stage.build()
    async with stage.running():
        await stage.offer(stage.author.version(FIRST))
    assert OWED in stage.tree.files()
    stage.apart = None
    stage.role = stage.build()
    async with stage.running():
        await stage.pass_time(1)
        assert "postfix_reload" in told(stage)
        assert OWED not in stage.tree.files()


@in_loop
async def test_without_services_no_service_file_is_made() -> None:
    stage = Stage(postfix=True)
    stage.tree.put("etc/postfix/readme")
    async with stage.running():
        await stage.offer(stage.author.version(FIRST))
        assert MAIN not in stage.tree.files()
        assert stage.reports[-1].rendered == ()


def last_step() -> int:
    """How many steps the whole of it takes."""
    stage = a_stage()
    play(stage)
    return len(stage.tree.steps.taken)


def play(stage: Stage) -> None:
    """The first version, and one that changes a synced and a service file."""
    with suppress(Killed, BaseExceptionGroup):
        _play(stage)


@in_loop
async def _play(stage: Stage) -> None:
    async with stage.running():
        await stage.offer(stage.author.version(FIRST))
        await stage.offer(stage.author.version({**FIRST, CONF: conf(mail={"relay": "192.0.2.26"})}))


@pytest.mark.slow
def test_killed_at_any_step_the_files_of_a_version_come_together() -> None:
    for step in range(1, last_step() + 1):
        stage = a_stage()
        stage.tree.steps.kill_at = step
        play(stage)
        stage.tree.steps.kill_at = None
        stage.role = stage.build()
        stage.role.recover()
        files = stage.tree.files()
        for relay in (b"192.0.2.25", b"192.0.2.26"):
            if CONF in files and relay in files[CONF]:
                assert relay in files[MAIN], f"killed at step {step}"
        assert stage.tree.staged() == []
