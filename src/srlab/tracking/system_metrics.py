"""Load of processor, memory, disk and GPU during a run, as MLflow's own thread notes it."""

import contextlib
import logging
from typing import Any


class SystemMetrics:
    """The thread of one run.

    Args:
        uri: the store.
        run_id: the run; its points are numbered on from those that it has.
    """

    def __init__(self, uri: str, run_id: str) -> None:
        self._uri = uri
        self._run_id = run_id
        self._monitor: Any = None

    def start(self) -> None:
        """Begin, or begin anew where the thread gave up since the store did not answer."""
        from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

        self.stop()
        # That the store does not answer is said once, by who sends the training's own metrics.
        logging.getLogger("mlflow.system_metrics").setLevel(logging.CRITICAL)
        with contextlib.suppress(Exception):  # nobody should miss a training for them
            self._monitor = SystemMetricsMonitor(
                self._run_id, resume_logging=True, tracking_uri=self._uri
            )
            self._monitor.start()

    def stop(self) -> None:
        """End the thread; its last points are sent if the store answers."""
        if self._monitor is not None:
            self._monitor.finish()
            self._monitor = None
