"""A training's curves as numbers: from its files, or from MLflow."""

import csv
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError

Curves = dict[str, dict[int, float]]
"""Metric -> step -> value."""

FILES = ("losses.csv", "validation.csv")
_NOT_OF_THE_TRAINING = ("system/", "time/")


def curves_of_files(folder: Path) -> Curves:
    """The curves in a folder, see `srlab.training.curves`; empty cells and files left out.

    Raises:
        SrlabError: a file is not a table of numbers.
    """
    curves: Curves = {}
    for path in (folder / name for name in FILES):
        if not path.is_file():
            continue
        try:
            with path.open(newline="") as file:
                for row in csv.DictReader(file):
                    step = int(row.pop("step"))
                    for name, value in row.items():
                        if value:
                            curves.setdefault(name, {})[step] = float(value)
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise SrlabError(
                f"{path}: not a training's curves ({error}); make them again: dvc repro"
            ) from error
    return curves


def curves_of_run(client: Any, run: Any) -> Curves:
    """The curves of an MLflow run, without times and the machine's load, which never repeat.

    Raises:
        Exception: the store does not answer.
    """
    return {
        name: {
            point.step: point.value for point in client.get_metric_history(run.info.run_id, name)
        }
        for name in run.data.metrics
        if not name.startswith(_NOT_OF_THE_TRAINING)
    }
