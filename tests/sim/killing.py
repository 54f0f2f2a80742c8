"""Death at a chosen moment: the doubles count their steps, and one of them may be the last."""


class Killed(BaseException):  # like KeyboardInterrupt: nobody may catch it and go on
    """The process died here. What was done stays done; the step was not."""


class Steps:
    """Counts steps over all doubles that share it; raises `Killed` instead of step `kill_at`.

    Steps are numbered from 1. `taken` holds what was done, for messages.
    """

    def __init__(self, kill_at: int | None = None) -> None:
        self.kill_at = kill_at
        self.taken: list[str] = []

    def step(self, what: str) -> None:
        if self.kill_at is not None and len(self.taken) + 1 >= self.kill_at:
            raise Killed(f"step {len(self.taken) + 1}: {what}")
        self.taken.append(what)
