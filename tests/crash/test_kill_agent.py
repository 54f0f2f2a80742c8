"""A real agent process is killed with SIGKILL at random moments while versions flow, 200 times.

After each kill the next process recovers; then every synced file must belong to the one version
that the process says it runs, that version must not be older than any that was ever reported, and
nothing else may lie there. A part of the rounds kills during start and recovery as well. The seed
is printed: `KILL_SEED=N` repeats a run (as far as the machine does).
"""

import multiprocessing
import os
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from tests.crash.agent_process import Recovered, files_of, live

ROUNDS = 200
AT_ONCE = 4
LEAST_ROUNDS = ROUNDS // AT_ONCE
MOST_ROUNDS = 4 * LEAST_ROUNDS
START_S = 20.0
EARLY_S = 0.1
"""Within so long a process has started and recovered."""
RUNS_FOR_S = 0.25
"""At most so long a process applies versions before it is killed."""

# Each process is forked from one that has done all the imports; so 200 of them take seconds.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.crash.agent_process"])


@dataclass
class Victim:
    """One root, and the processes that live and die on it."""

    root: Path
    dice: random.Random
    newest: int = 0
    rounds: int = 0
    interrupted: int = 0
    story: list[str] = field(default_factory=list)

    @property
    def has_seen_little(self) -> bool:
        """Too few versions, or no activation that was cut short."""
        return self.newest <= LEAST_ROUNDS / 2 or self.interrupted == 0

    def live_and_die(self) -> None:
        """One round: start, check what was recovered, run for a moment, be killed."""
        self.rounds += 1
        early = self.dice.random() < 0.2
        process, pipe = self.start()
        try:
            if early:
                # In the middle of start or recovery, wherever that is.
                time.sleep(self.dice.uniform(0, EARLY_S))
            else:
                self.check(self.first_word(pipe))
                pipe.send("go")
                time.sleep(self.dice.uniform(0, RUNS_FOR_S))
        finally:
            process.kill()
            process.join()
        before = self.newest
        self.take_down(pipe)
        self.story.append(f"{'early' if early else 'late'}, from {before} to {self.newest}")

    def start(self) -> tuple[ForkServerProcess, Connection]:
        ours, theirs = PROCESSES.Pipe()
        process = PROCESSES.Process(target=live, args=(self.root, theirs))
        process.start()
        theirs.close()
        return process, ours

    def first_word(self, pipe: Connection) -> Recovered:
        try:
            word = pipe.recv() if pipe.poll(START_S) else None
        except EOFError:
            word = None  # it ended by itself, and has said why
        assert isinstance(word, Recovered), (self.story, (self.root / "stderr").read_text())
        return word

    def take_down(self, pipe: Connection) -> None:
        """What the process said that it ran; the last word may be torn."""
        try:
            while pipe.poll():
                word = pipe.recv()
                self.newest = max(self.newest, word if isinstance(word, int) else word.active)
        except (EOFError, OSError):
            pass
        finally:
            pipe.close()

    def check(self, said: Recovered) -> None:
        """The tree is exactly that of the version which the new process says it runs."""
        told = (said, self.story[-3:])
        assert said.kept == [], told
        assert said.active >= self.newest, told
        self.newest = said.active
        self.interrupted += said.interrupted
        found, wanted = files_below(self.root), files_of(said.active)
        assert sorted(found) == sorted(wanted), told
        mixed = {path: data[:20] for path, data in found.items() if data != wanted[path]}
        assert mixed == {}, told


def files_below(root: Path) -> dict[str, bytes]:
    return {
        os.path.relpath(path, root): path.read_bytes()
        for path in (root / "etc").rglob("*")
        if path.is_file()
    }


def torment(root: Path, seed: int, failed: threading.Event) -> Victim:
    """A share of the rounds on one root; ends early where another share failed."""
    (root / "etc/pmg").mkdir(parents=True)
    (root / "etc/mail/spamassassin").mkdir(parents=True)
    victim = Victim(root, random.Random(seed))
    try:
        # On a busy machine little happens within a round, so there are more of them: were nothing
        # applied or interrupted, nothing would have been tested.
        while victim.rounds < LEAST_ROUNDS or (
            victim.has_seen_little and victim.rounds < MOST_ROUNDS
        ):
            if failed.is_set():
                break
            victim.live_and_die()
        process, pipe = victim.start()
        try:
            victim.check(victim.first_word(pipe))
        finally:
            process.kill()
            process.join()
    except BaseException:
        failed.set()
        raise
    return victim


def test_an_agent_killed_at_random_moments_never_leaves_a_mixture(tmp_path: Path) -> None:
    seed = int(os.environ.get("KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
    print(f"KILL_SEED={seed}")  # noqa: T201 (shown where the test fails)
    failed = threading.Event()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        shares = [
            pool.submit(torment, tmp_path / f"root{number}", seed + number, failed)
            for number in range(AT_ONCE)
        ]
        victims = [share.result() for share in shares]
    assert sum(victim.rounds for victim in victims) >= ROUNDS
    assert not any(victim.has_seen_little for victim in victims)
