"""An apply stopped or failing at any step leaves the old state or the new one, never a mix.

Each scenario is one version on top of another. It is stopped before every single step (of the tree
and of the journal), and recovered by a fresh process; stopped again in every step of that recovery;
made to fail at every step; made to fail and stopped while it undoes. In memory this is done for all
combinations, with real files and a real database for every step once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pmgsync.agent.activate import Activator
from pmgsync.agent.beside import backup, staged
from pmgsync.agent.plan import Advance, plan_advance, plan_repair
from pmgsync.errors import ActivateError, HostError, PmgsyncError, StageError, StoreError
from pmgsync.model.changeset import NOWHERE
from pmgsync.model.trust import Head
from pmgsync.ports import Journal
from tests.crash.stepping import (
    DiskMachine,
    Fails,
    Kept,
    Machine,
    PowerCut,
    activator_on,
    killed,
    plan_to,
)
from tests.sim.author import Author, Version
from tests.sim.host import MemoryTree
from tests.sim.killing import Killed, Steps
from tests.sim.store import MemoryStore

CONF, DOMAINS, TRANSPORT = "etc/pmg/pmg.conf", "etc/pmg/domains", "etc/pmg/transport"
POLICY, NESTED = "etc/pmg/tls_policy", "etc/pmg/templates/a/b/c.in"
KEY, SCORES = "etc/pmg/dkim/mail.private", "etc/mail/spamassassin/pmg-scores.cf"
OLD = {CONF: b"old conf", DOMAINS: b"old.example", KEY: b"old key", TRANSPORT: b"x smtp:y"}


@dataclass(frozen=True)
class Scenario:
    """What the second version changes."""

    puts: dict[str, bytes] = field(default_factory=dict)
    deletes: tuple[str, ...] = ()


SCENARIOS = {
    "replaces two": Scenario({CONF: b"new conf", KEY: b"new key"}),
    "adds, also in new folders": Scenario({NESTED: b"nested", SCORES: b"score X 1"}),
    "deletes two": Scenario({}, (CONF, KEY)),
    "builds maps": Scenario({DOMAINS: b"new.example", POLICY: b"z none"}, (TRANSPORT,)),
    "does everything": Scenario(
        {CONF: b"new conf", DOMAINS: b"new.example", NESTED: b"nested"}, (KEY, TRANSPORT)
    ),
}


@dataclass
class MemoryMachine:
    """Files and database in memory; a new activator is a new process."""

    tree: MemoryTree = field(default_factory=MemoryTree)
    store: MemoryStore = field(default_factory=MemoryStore)

    def activator(self, steps: Steps) -> Activator:
        self.store = self.store.crash()
        return activator_on(self.tree, self.store, steps)

    def files(self) -> dict[str, bytes]:
        return self.tree.files(leavings=True)

    def journal(self) -> Journal:
        return self.store

    def put(self, path: str, content: bytes) -> None:
        self.tree.put(path, content)

    def close(self) -> None:
        pass


@dataclass
class Story:
    """A scenario on a machine that runs the first of its two versions."""

    machine: Machine
    old: Version
    new: Version
    before: dict[str, bytes]
    kept: Kept = field(default_factory=Kept)

    def activate(self, steps: Steps) -> None:
        plan, contents = plan_to(self.new, self.old.head)
        self.machine.activator(steps).activate(plan, contents, self.kept)

    def recover(self, steps: Steps | None = None) -> None:
        self.machine.activator(steps or Steps()).recover(self.kept)

    def require_whole(self) -> str:
        """The tree is exactly that of the version which the journal says; its name."""
        journal = self.machine.journal()
        assert journal.pending() is None
        active = journal.active()
        version = {v.head.position: v for v in (self.old, self.new)}[active.position]
        assert active.manifest == version.head.manifest
        assert self.machine.files() == with_maps(version.files, self.before)
        return "old" if version is self.old else "new"


def with_maps(files: object, before: dict[str, bytes]) -> dict[str, bytes]:
    """`files`, and beside each that Postfix looks up its map; a deleted one keeps an empty map."""
    assert isinstance(files, dict)
    mapped = {path for path in (DOMAINS, TRANSPORT, POLICY) if path in files}
    maps = {f"{path}.db": b"map of " + files[path] for path in mapped}
    gone = {p for p in before if p.endswith(".db") and p.removesuffix(".db") not in files}
    return {**files, **maps, **dict.fromkeys(gone, b"map of ")}


def story(scenario: Scenario, machine: Machine) -> Story:
    author = Author()
    old = author.version(OLD)
    plan, contents = plan_to(old)
    machine.activator(Steps()).activate(plan, contents, Kept())
    new = author.version(scenario.puts, *scenario.deletes)
    return Story(machine, old, new, machine.files())


def steps_of(scenario: Scenario) -> int:
    """How many steps an undisturbed apply has."""
    steps = Steps()
    calm = story(scenario, MemoryMachine())
    calm.activate(steps)
    assert calm.require_whole() == "new"
    return len(steps.taken)


def moments(scenario: Scenario) -> Iterator[int]:
    """Every step that can be the one which does not happen any more."""
    yield from range(1, steps_of(scenario) + 1)


in_every_scenario = pytest.mark.parametrize(
    "scenario", SCENARIOS.values(), ids=[name.replace(" ", "-") for name in SCENARIOS]
)


@in_every_scenario
def test_a_stop_at_any_step_is_recovered(scenario: Scenario) -> None:
    seen = set()
    for at in moments(scenario):
        told = story(scenario, MemoryMachine())
        assert killed(lambda: told.activate(Steps(at)))  # noqa: B023
        told.recover()
        seen.add(told.require_whole())
        assert told.kept.files == []
    assert seen == {"old", "new"}


@in_every_scenario
def test_a_stop_at_any_step_of_the_recovery_is_recovered(scenario: Scenario) -> None:
    for at in moments(scenario):
        again, died = 0, True
        while died:
            again += 1
            told = story(scenario, MemoryMachine())
            assert killed(lambda: told.activate(Steps(at)))  # noqa: B023
            died = killed(lambda: told.recover(Steps(again)))  # noqa: B023
            told.recover()
            told.require_whole()
            assert told.kept.files == []


@in_every_scenario
def test_after_a_stop_the_next_version_can_be_applied(scenario: Scenario) -> None:
    for at in moments(scenario):
        told = story(scenario, MemoryMachine())
        assert killed(lambda: told.activate(Steps(at)))  # noqa: B023
        told.recover()
        if told.require_whole() == "old":
            told.activate(Steps())
        assert told.require_whole() == "new"


def error_for(what: str) -> PmgsyncError:
    """The error that this step fails with."""
    if what.split()[0] in {"begin", "finish", "abandon"}:
        return StoreError("no space left for the database", where="node.db")
    kind = StageError if what.startswith("write") else HostError
    return kind("operation not permitted", where=what)


def fail_at(at: int) -> Fails:
    """Step `at` fails, and so does the same step tried again."""
    culprit: list[str] = []

    def which(number: int, what: str) -> PmgsyncError | None:
        if number == at:
            culprit.append(what)
        return error_for(what) if what in culprit else None

    return Fails(which)


def _is_sync_of_files(step: str) -> bool:
    return step.startswith("sync ") and step.endswith(" files")


@in_every_scenario
def test_a_failure_at_any_step_is_undone_or_healed(scenario: Scenario) -> None:
    for at in moments(scenario):
        told, steps = story(scenario, MemoryMachine()), fail_at(at)
        error = attempt(told, steps)
        if error is not None:
            # An fsync that fails does so before anything is switched.
            switched = "begin" in steps.taken and not _is_sync_of_files(steps.failed[0])
            undone = switched and told.machine.journal().pending() is None
            assert isinstance(error, ActivateError) == undone, steps.failed
        if told.machine.journal().pending() is None and steps.failed[0].split()[0] != "remove":
            assert told.require_whole() == "old", steps.failed
        told.recover()
        told.require_whole()
        assert told.kept.files == []


@in_every_scenario
def test_a_failure_and_then_a_stop_while_undoing(scenario: Scenario) -> None:
    """The trouble stays for the first recovery and is gone for the second."""
    for at in moments(scenario):
        stop, died = at, True
        while died:
            stop += 1
            told = story(scenario, MemoryMachine())
            steps = fail_at(at)
            steps.kill_at = stop - 1  # counts what was done, so without the one that failed
            died = killed(lambda: attempt(told, steps))  # noqa: B023
            culprit = frozenset(steps.failed)
            attempt_recovery(told, culprit)
            told.recover()
            told.require_whole()
            assert told.kept.files == []


def attempt(told: Story, steps: Steps) -> HostError | None:
    try:
        told.activate(steps)
    except HostError as error:
        return error
    return None


def attempt_recovery(told: Story, failing: frozenset[str]) -> None:
    """Recover on a machine where the steps `failing` still fail."""
    try:
        told.recover(Fails(lambda _, what: error_for(what) if what in failing else None))
    except HostError:
        assert told.machine.journal().pending() is not None


@in_every_scenario
def test_a_disk_that_stays_full_leaves_the_old_state(scenario: Scenario) -> None:
    for at in moments(scenario):
        told = story(scenario, MemoryMachine())

        def full(number: int, what: str, at: int = at) -> PmgsyncError | None:
            grows = what.split()[0] in {"write", "link", "begin", "finish", "abandon"}
            return error_for(what) if grows and number >= at else None

        attempt(told, Fails(full))
        told.recover()
        told.require_whole()


@in_every_scenario
def test_an_edit_between_stop_and_recovery_is_kept(scenario: Scenario) -> None:
    edit = b"edited while the daemon was down"
    target = sorted({*scenario.puts, *scenario.deletes})[0]
    for at in moments(scenario):
        told = story(scenario, MemoryMachine())
        assert killed(lambda: told.activate(Steps(at)))  # noqa: B023
        pending = told.machine.journal().pending() is not None
        told.machine.put(target, edit)
        told.recover()
        if pending:
            assert (target, edit) in told.kept.files
            told.require_whole()
        else:
            assert told.machine.files()[target] == edit


@in_every_scenario
def test_a_finish_that_the_power_cut_took_is_said_again(scenario: Scenario) -> None:
    for stop in range(1, 100):
        told = story(scenario, MemoryMachine())
        told.activate(PowerCut())
        assert told.machine.journal().pending() is not None
        died = killed(lambda: told.recover(Steps(stop)))  # noqa: B023
        told.recover()
        assert told.require_whole() == "new"
        assert told.kept.files == []
        if not died:
            return


@in_every_scenario
def test_an_edit_after_such_a_finish_is_drift_and_no_reason_to_go_back(scenario: Scenario) -> None:
    told = story(scenario, MemoryMachine())
    told.activate(PowerCut())
    target, *others = sorted({*scenario.puts, *scenario.deletes})
    told.machine.put(target, b"edited")
    told.recover()
    assert (target, b"edited") in told.kept.files
    replaced = {path for path in others if path in OLD}
    if replaced:  # their second names are gone, which says what happened
        assert told.machine.journal().active() == told.new.head
        found = {p: d for p, d in told.machine.files().items() if p != target}
        wanted = with_maps(told.new.files, told.before)
        assert found == {p: d for p, d in wanted.items() if p != target}


@in_every_scenario
def test_what_was_staged_is_on_disk_before_recovery_switches(scenario: Scenario) -> None:
    """The kill may come between the commit of the intent and the end of the fsyncs."""
    for at in moments(scenario):
        told, synced = story(scenario, MemoryMachine()), Steps()
        steps = Steps(at)
        assert killed(lambda: told.activate(steps))  # noqa: B023
        told.recover(synced)
        if "begin" not in steps.taken or any(map(_is_sync_of_files, steps.taken)):
            continue
        renames = [n for n, what in enumerate(synced.taken) if what.startswith("rename ")]
        syncs = [n for n, what in enumerate(synced.taken) if _is_sync_of_files(what)]
        assert not renames or syncs[0] < renames[0]


@pytest.mark.parametrize(
    ("scenario", "first", "late"),
    [
        (Scenario({CONF: b"new conf", KEY: b"new key"}), KEY, f"rename {staged(CONF)} {CONF}"),
        (Scenario({CONF: b"new conf"}, (KEY,)), CONF, f"remove {KEY}"),
    ],
)
def test_a_second_name_that_is_missing_does_not_hide_a_step_still_to_be_done(
    scenario: Scenario, first: str, late: str
) -> None:
    class UntilLate(Steps):
        def step(self, what: str) -> None:
            if what == late:
                raise Killed(what)
            super().step(what)

    told = story(scenario, MemoryMachine())
    assert killed(lambda: told.activate(UntilLate()))
    assert isinstance(told.machine, MemoryMachine)
    assert told.machine.tree.files()[first] == scenario.puts[first]
    told.machine.tree.drop(backup(first))
    told.recover()
    assert told.require_whole() == "new"


def test_a_version_without_a_step_is_one_commit() -> None:
    author, machine = Author(), MemoryMachine()
    version = author.version({CONF: b"conf"})
    machine.put(CONF, b"conf")
    advance = Advance(version.head.position, version.head.manifest, (version.record,))
    plan = plan_advance(version.head.manifest, NOWHERE, advance, authored=False)
    for at in (1, 2):
        steps = Steps(at)
        activator = machine.activator(steps)
        died = killed(lambda: activator.activate(plan, version.contents, Kept()))  # noqa: B023
        assert machine.journal().active() == (Head() if died else version.head)
        assert machine.journal().pending() is None
    assert steps.taken == ["adopt"]


def test_an_edit_while_files_are_staged_is_kept_and_the_version_applied() -> None:
    told = story(SCENARIOS["replaces two"], MemoryMachine())

    class Editing(Steps):
        def step(self, what: str) -> None:
            if what == "begin":
                told.machine.put(KEY, b"edited in between")
            super().step(what)

    told.activate(Editing())
    assert told.require_whole() == "new"
    assert told.kept.files == [(KEY, b"edited in between")]


def test_a_file_that_appears_where_a_new_one_goes_is_kept() -> None:
    told = story(SCENARIOS["adds, also in new folders"], MemoryMachine())

    class Editing(Steps):
        def step(self, what: str) -> None:
            if what == "begin":
                told.machine.put(SCORES, b"made in between")
            super().step(what)

    told.activate(Editing())
    assert told.require_whole() == "new"
    assert told.kept.files == [(SCORES, b"made in between")]


def test_a_folder_removed_while_the_daemon_was_down_is_no_obstacle() -> None:
    scenario = SCENARIOS["replaces two"]
    for at in moments(scenario):
        told = story(scenario, MemoryMachine())
        assert killed(lambda: told.activate(Steps(at)))  # noqa: B023
        assert isinstance(told.machine, MemoryMachine)
        told.machine.tree.drop("etc/pmg/dkim")
        told.recover()
        assert told.machine.journal().pending() is None


def test_a_pending_activation_bars_the_next_one() -> None:
    told = story(SCENARIOS["does everything"], MemoryMachine())
    with pytest.raises(StoreError):
        told.activate(Fails(lambda _, what: error_for(what) if what == "finish" else None))
    assert told.machine.journal().pending() is not None
    with pytest.raises(RuntimeError, match="recover"):
        told.activate(Steps())
    told.recover()
    assert told.require_whole() == "new"


def test_what_cannot_be_swept_is_swept_later_and_harms_nothing() -> None:
    told = story(SCENARIOS["does everything"], MemoryMachine())
    stuck = backup(CONF)
    never = f"remove {stuck}"
    told.activate(Fails(lambda _, what: error_for(what) if what == never else None))
    assert told.machine.journal().active().position == told.new.head.position
    leavings = [path for path in told.machine.files() if "/.pmgsync-" in path]
    assert leavings == [stuck]
    told.recover(Fails(lambda _, what: error_for(what) if what == never else None))
    told.recover()
    assert told.require_whole() == "new"


def test_a_repair_stopped_at_any_step_is_recovered() -> None:
    for at in range(1, 40):
        told = story(SCENARIOS["replaces two"], MemoryMachine())
        told.machine.put(CONF, b"drifted")
        plan = plan_repair(
            told.old.head.manifest, told.old.head.position, paths=[CONF], unmapped=[]
        )
        activator = told.machine.activator(Steps(at))
        if not killed(lambda: activator.activate(plan, told.old.contents, Kept())):  # noqa: B023
            break
        told.recover()
        assert told.machine.journal().active() == told.old.head
        whole = with_maps(told.old.files, told.before)
        assert told.machine.files() in (whole, whole | {CONF: b"drifted"})
    assert at > 5


@in_every_scenario
def test_a_first_version_stopped_at_any_step_is_recovered(scenario: Scenario) -> None:
    del scenario
    author = Author()
    first = author.version(OLD)
    for at in range(1, 100):
        machine = MemoryMachine()
        plan, contents = plan_to(first)
        activator = machine.activator(Steps(at))
        if not killed(lambda: activator.activate(plan, contents, Kept())):  # noqa: B023
            return
        machine.activator(Steps()).recover(Kept())
        active = machine.journal().active()
        assert active in (Head(NOWHERE), first.head)
        expected = with_maps(OLD, {}) if active == first.head else {}
        assert machine.files() == expected
    pytest.fail("never came to its end")


@in_every_scenario
def test_with_real_files_and_a_real_database(scenario: Scenario, tmp_path: Path) -> None:
    seen = set()
    for at in moments(scenario):
        told = story(scenario, DiskMachine(tmp_path / f"root{at}"))
        assert killed(lambda: told.activate(Steps(at)))  # noqa: B023
        told.recover()
        seen.add(told.require_whole())
        assert told.kept.files == []
        told.machine.close()
    assert seen == {"old", "new"}


@in_every_scenario
def test_a_failure_with_real_files_and_a_real_database(scenario: Scenario, tmp_path: Path) -> None:
    for at in moments(scenario):
        told = story(scenario, DiskMachine(tmp_path / f"root{at}"))
        attempt(told, fail_at(at))
        told.recover()
        told.require_whole()
        told.machine.close()
