"""Ending a training between two steps when a signal asks for it."""

import signal
from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingInterrupted(SystemExit):
    """A signal came, and the training ended after a step: on every rank after the same."""


class Interruption:
    """Notes SIGINT and SIGTERM during a `with` block instead of ending at once.

    A second signal ends at once.

    Args:
        alone: no other process waits for this one. The first signal then ends at once, too, where
            no step is done: there is nothing to keep, and torch's compiling processes, which had
            the signal as well, will not answer any more.

    Attributes:
        signal: the signal that came; None if none did.
        stepped: whether a step is done.
    """

    def __init__(self, *, alone: bool) -> None:
        self._alone = alone
        self.signal: signal.Signals | None = None
        self.stepped = False
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "Interruption":
        self._before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.signal is not None or (self._alone and not self.stepped):
            raise SystemExit(128 + number)
        self.signal = signal.Signals(number)
