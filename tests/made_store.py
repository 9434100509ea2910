"""MLflow stores for tests. A fresh one takes seconds to make, so one is made and copied."""

import functools
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from srlab.tracking.store import _create


@functools.cache
def _template() -> tempfile.TemporaryDirectory:
    folder = tempfile.TemporaryDirectory()
    _create(Path(folder.name, "mlflow.db"))
    return folder


def make_store(folder: Path) -> Path:
    """Put an empty store into a project's folder."""
    store = folder / "mlflow.db"
    shutil.copyfile(Path(_template().name, "mlflow.db"), store)
    with sqlite3.connect(store) as database:
        place = (folder / "mlartifacts").as_uri()
        database.execute("update experiments set artifact_location = ?", [place])
    return folder


def client(folder: Path) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")


def all_runs(folder: Path) -> list[Any]:
    """The latest first."""
    found = client(folder)
    return found.search_runs([found.get_experiment_by_name("srlab").experiment_id])


def only_run(folder: Path) -> Any:
    runs = all_runs(folder)
    assert len(runs) == 1, [(run.info.run_id, run.info.status) for run in runs]
    return runs[0]


def points(found: Any, run_id: str, metric: str) -> list[tuple[int, float]]:
    """(step, value), sorted; a point that is there twice stands there twice."""
    history = found.get_metric_history(run_id, metric)
    return sorted((point.step, point.value) for point in history)


def images(found: Any, run_id: str) -> list[str]:
    """name+step+N.png for each whole image, sorted; one that is there twice stands there twice."""
    names = [item.path.removeprefix("images/") for item in found.list_artifacts(run_id, "images")]
    full = sorted(name.partition("+timestamp")[0] for name in names if name.endswith(".png"))
    small = sorted(name.partition("+timestamp")[0] for name in names if name.endswith(".webp"))
    assert full == small
    return full
