"""The MLflow store: where it is, how it is made, how it is asked."""

import contextlib
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from srlab.workspace import anchored, project_root

_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Store:
    """A store that answers."""

    uri: str
    client: Any
    """An `mlflow.MlflowClient`."""
    experiment_id: str
    """Of the experiment in which runs are made: MLFLOW_EXPERIMENT_NAME, or srlab."""

    @property
    def name(self) -> str:
        """The URI without what it may hold of a password."""
        return re.sub(r"//[^/@]*@", "//", self.uri)


def open_store() -> Store:
    """Reach the store, and make what it lacks.

    Raises:
        ImportError: MLflow is not installed.
        Exception: the store does not answer or refuses; MLflow raises many kinds.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # runs are nobody else's business
    # A training must not wait for a server: who asks tries again later, so MLflow need not.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "5")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    from mlflow import MlflowClient

    # MLflow tells of every table that it makes; what matters to people is said by the stages.
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    uri = tracking_uri()
    client = MlflowClient(uri)
    return Store(uri, client, _experiment(client))


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or the project's own store.

    A store that is an SQLite file is made if it is not there; its path is relative to the project.
    """
    uri = os.environ.get("MLFLOW_TRACKING_URI") or f"{_SQLITE}mlflow.db"
    if not uri.startswith(_SQLITE) or "?" in uri:
        return uri
    store = anchored(uri.removeprefix(_SQLITE))
    # Processes that open a fresh store at once destroy it: one makes it, under another name.
    with FileLock(store.with_name(store.name + ".lock")):
        if not store.exists():
            _create(store)
    return f"{_SQLITE}{store}"


def _create(store: Path) -> None:
    from mlflow import MlflowClient

    partial = store.with_name(store.name + ".partial")
    partial.unlink(missing_ok=True)
    client = MlflowClient(f"{_SQLITE}{partial}")
    client.create_experiment("srlab", artifact_location=anchored("mlartifacts").as_uri())
    partial.rename(store)


def _experiment(client: Any) -> str:
    from mlflow.exceptions import MlflowException

    name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "srlab")
    found = client.get_experiment_by_name(name)
    if found is None:
        with contextlib.suppress(MlflowException):  # another process made it meanwhile
            return str(client.create_experiment(name))
        found = client.get_experiment_by_name(name)
    return str(found.experiment_id)


def is_refusal(error: Exception) -> bool:
    """Whether the store understood and said no, so that trying again would not help."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.error_code in ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")
    # What a network's errors are, is an OSError, some of them a ValueError, too.
    return isinstance(error, TypeError | ValueError) and not isinstance(error, OSError)


def runs_folder() -> Path:
    """Where the project keeps what is to be known of runs under way."""
    return project_root() / ".srlab" / "runs"


def unsent_folder() -> Path:
    """Where the project keeps what a store has not taken."""
    return project_root() / ".srlab" / "unsent"
