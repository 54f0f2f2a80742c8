"""What a template may use: steps, output, time and depth. Exceeding it ends the rendering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pmgsync.render.perl.faults import Exhausted

CLOCK_EVERY = 256
"""Steps between two looks at the clock."""
_BYTES_OF_AN_ITEM = 64
"""Of its place in the list, and of a short text in it."""


@dataclass(frozen=True)
class Limits:
    """The most that one rendering may use."""

    steps: int = 2_000_000
    output: int = 16 * 2**20  # bytes, of the result and of any one string
    made: int = 256 * 2**20  # bytes, of all strings and lists on the way, kept or not
    items: int = 1_000_000  # of any one list
    seconds: float = 5.0
    depth: int = 60  # of templates, blocks and macros that call each other


class Budget:
    """Counts what one rendering uses. `clock` gives seconds that only grow."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self.limits = limits
        self._clock = clock
        self._deadline = clock() + limits.seconds
        self._steps = 0
        self._next_look = CLOCK_EVERY
        self._produced = 0
        self._made = 0
        self.depth = 0

    def step(self, count: int = 1) -> None:
        """`count` steps more."""
        self._steps += count
        if self._steps >= self._next_look:
            self._look()

    def _look(self) -> None:
        self._next_look = self._steps + CLOCK_EVERY
        if self._steps > self.limits.steps:
            raise Exhausted(f"takes more than {self.limits.steps} steps")
        self.check_time()

    def check_time(self) -> None:
        """Fails when the time is over."""
        if self._clock() > self._deadline:
            raise self.out_of_time()

    def time_left(self) -> float:
        """Seconds, more than 0; fails when the time is over."""
        left = self._deadline - self._clock()
        if left <= 0:
            raise self.out_of_time()
        return left

    def out_of_time(self) -> Exhausted:
        """The error of a template whose time is over."""
        return Exhausted(f"takes longer than {self.limits.seconds:g} seconds")

    def produce(self, size: int) -> None:
        """`size` bytes of output more, kept or thrown away."""
        self._produced += size
        if self._produced > 4 * self.limits.output:
            self._too_large()

    def fits(self, size: int) -> None:
        """A string of `size` bytes is about to be made."""
        self.step(size >> 10)
        if size > self.limits.output:
            self._too_large()
        self.makes(size)

    def makes(self, size: int) -> None:
        """Something of about `size` bytes was made. What of it is kept is not known."""
        self._made += size
        if self._made > self.limits.made:
            most = self.limits.made >> 20
            raise Exhausted(f"makes more than {most} MiB of texts and lists on the way")

    def makes_items(self, count: int) -> None:
        """A list of that many items was made, or a hash."""
        self.makes(count * _BYTES_OF_AN_ITEM)

    def grows_to(self, size: int) -> None:
        """A string that is made piece by piece has `size` bytes by now; each piece is a step."""
        self.step()
        if size > self.limits.output:
            self._too_large()

    def holds(self, items: int) -> None:
        """A list of that many items is about to be made."""
        self.step(items >> 3)
        self.may_hold(items)

    def may_hold(self, items: int) -> None:
        """A list that is being made has that many items; to be called for each."""
        if items > self.limits.items:
            raise Exhausted(f"makes a list of more than {self.limits.items} items")

    def _too_large(self) -> None:
        raise Exhausted(f"makes more than {self.limits.output >> 20} MiB of text")

    def enter(self) -> None:
        """One template, block or macro deeper."""
        self.depth += 1
        if self.depth > self.limits.depth:
            raise Exhausted(f"calls itself or others more than {self.limits.depth} levels deep")

    def leave(self) -> None:
        """Back again."""
        self.depth -= 1
