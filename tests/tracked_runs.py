"""What MLflow has of the trainings of a pipeline, held against the files that they wrote."""

import csv
from collections import Counter
from pathlib import Path

from pipeline_outputs import run_ids


def complaints(folder: Path) -> list[str]:
    """A line for each run that is too many or not finished, and each point too many or missing."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("srlab")
    if experiment is None:
        return ["MLflow has no experiment srlab"]
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    expected = run_ids(folder)
    lines = [
        f"MLflow has {count} runs of {name}"
        for name, count in Counter(run.info.run_name for run in runs).items()
        if count != 1 or name not in expected
    ]
    for training, run_id in expected.items():
        run = next((run for run in runs if run.info.run_id == run_id), None)
        if run is None:
            lines.append(f"{training}: its cost card names {run_id}, which MLflow does not have")
            continue
        if run.info.status != "FINISHED":
            lines.append(f"{training}: its run is {run.info.status}")
        curves = _points(folder / "metrics" / "curves" / training)
        for name in sorted(curves.keys() | _logged(run.data.metrics)):
            history = client.get_metric_history(run_id, name)
            points = [(point.step, f"{point.value:.6g}") for point in history]
            if name.startswith("time/") and len(points) == 1:
                continue
            lines += _compared(f"{training}: {name}", curves.get(name, []), points)
    return lines


def _logged(metrics: dict[str, float]) -> set[str]:
    """What the training logged, not MLflow itself."""
    return {name for name in metrics if not name.startswith("system/")}


def _points(curves: Path) -> dict[str, list[tuple[int, str]]]:
    """Metric -> its points as the curves' files have them."""
    points: dict[str, list[tuple[int, str]]] = {}
    for path in sorted(curves.glob("*.csv")):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                step = int(row.pop("step"))
                for name, value in row.items():
                    if value:
                        points.setdefault(name, []).append((step, value))
    return points


def _compared(
    what: str, expected: list[tuple[int, str]], found: list[tuple[int, str]]
) -> list[str]:
    counts = Counter(found)
    counts.subtract(Counter(expected))
    missing = sorted(point for point, count in counts.items() if count < 0)
    extra = sorted(point for point, count in counts.items() if count > 0)
    lines = [f"{what}: {len(missing)} points are missing, such as {missing[0]}"] if missing else []
    return lines + ([f"{what}: {len(extra)} too many, such as {extra[0]}"] if extra else [])
