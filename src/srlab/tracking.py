"""MLflow runs, and their silent twin.

A training function gets a `Run` and logs to it; whether MLflow is behind it is not its business.
The store is `sqlite:///mlflow.db` in the project's own folder, also for experiments that DVC runs
in a copy of it; MLFLOW_TRACKING_URI names another.
"""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from filelock import FileLock

from srlab.provenance import git_commit, values_hash
from srlab.workspace import anchored, project_root

_SECONDS_BETWEEN_SENDS = 10.0
_METRICS_PER_SEND = 1000


class Run(Protocol):
    """Takes what a run has to say."""

    id: str | None
    """The MLflow run's id; None where nothing is tracked."""

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None: ...

    def log_image(self, name: str, pixels: np.ndarray, *, step: int = 0) -> None:
        """A picture, uint8 (H, W) or (H, W, 3)."""

    def log_file(self, path: Path) -> None: ...

    def set_tags(self, tags: Mapping[str, str]) -> None: ...


class SilentRun:
    """Takes everything and keeps nothing."""

    id: str | None = None

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None: ...

    def log_image(self, name: str, pixels: np.ndarray, *, step: int = 0) -> None: ...

    def log_file(self, path: Path) -> None: ...

    def set_tags(self, tags: Mapping[str, str]) -> None: ...


class MlflowRun:
    """An MLflow run. Metrics are sent in batches: one at a time costs 16 ms each.

    When the store stops answering, training goes on; one warning says what is missing.
    """

    def __init__(self, run_id: str) -> None:
        from mlflow import MlflowClient

        self.id: str | None = run_id
        self._run_id = run_id
        self._client = MlflowClient()
        self._pending: list[Any] = []
        self._last_send = time.monotonic()
        self._lost = False

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._pending += [Metric(name, value, now, step) for name, value in metrics.items()]
        if time.monotonic() - self._last_send >= _SECONDS_BETWEEN_SENDS:
            self.flush()

    def log_image(self, name: str, pixels: np.ndarray, *, step: int = 0) -> None:
        if self._lost:
            return
        with self._surviving():
            self._client.log_image(self._run_id, pixels, key=name, step=step)

    def log_file(self, path: Path) -> None:
        with self._surviving():
            self._client.log_artifact(self._run_id, str(path))

    def set_tags(self, tags: Mapping[str, str]) -> None:
        with self._surviving():
            for name, value in tags.items():
                self._client.set_tag(self._run_id, name, value)

    def flush(self) -> None:
        """Send the metrics that wait."""
        self._last_send = time.monotonic()
        while self._pending and not self._lost:
            with self._surviving():
                self._client.log_batch(self._run_id, metrics=self._pending[:_METRICS_PER_SEND])
                del self._pending[:_METRICS_PER_SEND]

    def end(self, status: str) -> None:
        """Send what waits and close the run, its system metrics too."""
        import mlflow

        self.flush()
        if not self._lost:
            with self._surviving():
                mlflow.end_run(status)

    @contextlib.contextmanager
    def _surviving(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if not self._lost:
                self._lost = True
                _warn(f"MLflow stopped answering ({_brief(error)}); training goes on untracked")


@contextlib.contextmanager
def run(name: str, params: Mapping[str, Any], data_sha256: str) -> Iterator[Run]:
    """An MLflow run for the time of a `with` block, or its silent twin where there is no MLflow.

    It ends FINISHED, FAILED after an error, KILLED after Ctrl-C or a termination.

    Args:
        name: the run's name.
        params: hyperparameters, nested as in params.yaml; logged under dotted names.
        data_sha256: what the run is trained on; tagged, with stage, experiment and commit.
    """
    active = _start(
        name, params, {"data_sha256": data_sha256, "params_sha256": values_hash(params)}
    )
    if active is None:
        yield SilentRun()
        return
    status = "FAILED"
    try:
        yield active
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        active.end(status)


def _start(name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> MlflowRun | None:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # runs are nobody else's business
    try:
        import mlflow
    except ImportError:
        _warn("MLflow is not installed; this run is not tracked")
        return None
    # MLflow tells of every table that it makes; what matters to people is said by the stages.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    # A server that does not answer should cost seconds, not minutes.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    try:
        mlflow.set_tracking_uri(tracking_uri())
        experiment = os.environ.get("MLFLOW_EXPERIMENT_NAME", "srlab")
        if mlflow.get_experiment_by_name(experiment) is None:
            with contextlib.suppress(mlflow.exceptions.MlflowException):  # made meanwhile
                mlflow.create_experiment(experiment)
        mlflow.set_experiment(experiment)
        started = mlflow.start_run(
            run_name=name, tags={**_origin(), **tags}, log_system_metrics=True
        )
        run = MlflowRun(started.info.run_id)
        mlflow.log_params(_flatten(params))
    except Exception as error:
        _warn(f"MLflow cannot be used ({_brief(error)}); this run is not tracked")
        return None
    return run


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or the project's own store, which is made if it is not there."""
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        return uri
    store = project_root() / "mlflow.db"
    # Processes that open a fresh store at once destroy it: one makes it, under another name.
    with FileLock(store.with_suffix(".db.lock")):
        if not store.exists():
            _create_store(store)
    return f"sqlite:///{store}"


def _create_store(store: Path) -> None:
    from mlflow import MlflowClient

    partial = store.with_suffix(".db.partial")
    partial.unlink(missing_ok=True)
    client = MlflowClient(f"sqlite:///{partial}")
    artifacts = anchored("mlartifacts").as_uri()
    client.create_experiment("srlab", artifact_location=artifacts)
    partial.rename(store)


def _origin() -> dict[str, str]:
    """Where a run comes from: DVC's stage and experiment, the commit."""
    known = {
        "dvc_stage": os.environ.get("DVC_STAGE"),
        "dvc_experiment": os.environ.get("DVC_EXP_NAME"),
        "git_commit": git_commit(),
    }
    return {name: value for name, value in known.items() if value}


def _flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _brief(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr, flush=True)
