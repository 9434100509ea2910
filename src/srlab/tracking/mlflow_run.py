"""A run in MLflow, as a training sees it: it takes everything at once and sends it in batches."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from srlab.errors import SrlabError
from srlab.tracking.delivery import Delivery
from srlab.tracking.outbox import Outbox, milliseconds
from srlab.tracking.owners import Owner
from srlab.tracking.store import Store, unsent_folder
from srlab.tracking.system_metrics import SystemMetrics
from srlab.tracking.unsent import send_unsent
from srlab.tracking.warn import brief, warn

_SECONDS_BETWEEN_SENDS = 10.0
_LONGEST_PAUSE = 300.0


class MlflowRun:
    """An MLflow run. Metrics are sent together: one at a time costs 16 ms each.

    While the store does not answer, training goes on. What is to be sent waits, here and in the
    training's checkpoints; the store is tried again after ever longer pauses, once each time. What
    it has not taken in the end goes to `.srlab/unsent/RUN_ID.jsonl`, for `srlab runs sync`.

    Args:
        store: where the run is.
        run_id: the run.
        owner: this process.
        fresh: whether the run was made just now and has nothing.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        store: Store,
        run_id: str,
        owner: Owner,
        *,
        fresh: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.id: str | None = run_id
        self._run_id = run_id
        self._store = store
        self._owner = owner
        self._delivery = Delivery(store.client, run_id, fresh=fresh)
        self._system = SystemMetrics(store.uri, run_id)
        self._outbox = Outbox()
        self._clock = clock
        self._last_send = clock()
        self._pause = 0.0

    def log_params(self, params: Mapping[str, str]) -> None:
        """Hyperparameters; those that the run has are left as they are.

        Raises:
            Exception: the store does not answer.
        """
        self._delivery.send_params(dict(params))

    def send_left(self) -> None:
        """Send what an earlier process could not send.

        Raises:
            Exception: the store does not answer.
        """
        try:
            send_unsent(self._store, self._run_id, end=False)
        except SrlabError as error:
            warn(str(error))

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        try:
            self._outbox.add_metrics(metrics, step)
        except (TypeError, ValueError) as error:
            warn(f"metrics of step {step} are no numbers ({brief(error)}); they are left out")
        if self._clock() - self._last_send >= max(_SECONDS_BETWEEN_SENDS, self._pause):
            self.flush()

    def log_image(self, name: str, pixels: np.ndarray, *, step: int = 0) -> None:
        self._outbox.add_image(name, pixels, step)
        self._flush_unless_paused()

    def log_file(self, path: Path) -> None:
        self._outbox.files.append(str(path.resolve()))
        self._flush_unless_paused()

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._outbox.tags |= tags
        self._flush_unless_paused()

    def state_dict(self) -> dict[str, Any]:
        return self._outbox.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._outbox.load_state_dict(state)

    def watch_system(self) -> None:
        """Note the load of the machine until the run ends."""
        self._system.start()

    def flush(self) -> bool:
        """Try to send what waits; whether nothing waits any more."""
        waited = len(self._outbox.metrics)
        try:
            self._delivery.send(self._outbox)
        except Exception as error:
            if not self._pause:
                warn(
                    f"MLflow stopped answering ({brief(error)}); training goes on, "
                    "what it has to say is kept"
                )
            self._pause = min(max(2 * self._pause, _SECONDS_BETWEEN_SENDS), _LONGEST_PAUSE)
            return False
        else:
            self._owner.seen()
            if self._pause:
                self._pause = 0.0
                warn(f"MLflow answers again; it got the {waited} values that waited")
                self._system.start()
            return True
        finally:
            self._last_send = self._clock()

    def end(self, status: str) -> None:
        """Send what waits and close the run, its system metrics too.

        Args:
            status: FINISHED, FAILED or KILLED.
        """
        self._system.stop()
        self._outbox.ended = [status, milliseconds()]
        # A store that was busy once is asked twice; one that has been away for long is not.
        settled = self._settle() or (self._pause <= _SECONDS_BETWEEN_SENDS and self._settle())
        if not settled:
            self._leave_behind(unsent_folder() / f"{self._run_id}.jsonl")
        self._owner.leave(settled=settled)

    def _leave_behind(self, path: Path) -> None:
        try:
            self._outbox.write(path)
        except OSError as error:
            warn(f"what run {self._run_id} has yet to tell MLflow cannot be kept ({brief(error)})")
            return
        warn(
            f"MLflow does not answer; what run {self._run_id} has yet to tell it is in {path}. "
            "To send it: srlab runs sync"
        )

    def _settle(self) -> bool:
        if not self.flush():
            return False
        try:
            if self._outbox.ended is not None:
                self._store.client.set_terminated(self._run_id, *self._outbox.ended)
        except Exception:
            return False
        return True

    def _flush_unless_paused(self) -> None:
        if not self._pause or self._clock() - self._last_send >= self._pause:
            self.flush()
