"""How far training is: a bar on a terminal, a plain line now and then in a log."""

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

_SECONDS_BETWEEN_LINES = 15


class TrainingProgress:
    """Shows share of the budget, loss, rate and time left.

    Args:
        name: of the training.
        patches_per_step: over all devices.
        step, share: where it starts, if it goes on from a checkpoint.
        silent: shows nothing; for all ranks but the first.

    >>> with TrainingProgress("memnet", patches_per_step=32) as progress:
    ...     progress.show(step=0, share=0.0, loss=0.5)
    """

    def __init__(
        self,
        name: str,
        *,
        patches_per_step: int,
        step: int = 0,
        share: float = 0.0,
        silent: bool = False,
    ) -> None:
        self._name = name
        self._silent = silent
        self._first = step
        self._first_share = share
        self._patches_per_step = patches_per_step
        self._console = Console(file=sys.stderr)
        self._bar: Progress | None = None
        self._start = self._last_line = time.monotonic()
        if self._console.is_terminal and not silent:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.fields[state]}"),
                console=self._console,
            )
            self._task = self._bar.add_task(name, total=1.0, state="")

    def __enter__(self) -> "TrainingProgress":
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, *, step: int, share: float, loss: float) -> None:
        """Show the state after a number of steps and a share of the budget."""
        if self._silent:
            return
        now = time.monotonic()
        seconds = max(now - self._start, 1e-9)
        rate = (step - self._first) * self._patches_per_step / seconds
        done = share - self._first_share
        left = seconds * (1 - share) / done if done > 0 else float("inf")
        state = f"step {step}  loss {loss:.4g}  {rate:.0f} patches/s  {_clock(left)} left"
        if self._bar:
            self._bar.update(self._task, completed=share, state=state)
        elif now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            print(f"{self._name}  {share:4.0%}  {state}", file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """One line that stays."""
        if self._silent:
            return
        if self._bar:
            self._bar.console.print(f"{self._name}  {text}", highlight=False)
        else:
            print(f"{self._name}  {text}", file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    if seconds == float("inf"):
        return "?"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
