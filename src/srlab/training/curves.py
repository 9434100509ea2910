"""Curves of a training as files, beside what the run keeps of them."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from srlab.tracking import Run

_VALIDATION = "validation/"
_TIME = "time/"


class Curves:
    """A run that also keeps its metrics, for the report and for `dvc plots`.

    Args:
        run: gets everything, too.
    """

    def __init__(self, run: Run) -> None:
        self.id = run.id
        self._run = run
        self._rows: dict[str, dict[int, dict[str, float]]] = {"losses": {}, "validation": {}}
        self._times: dict[str, float] = {}

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None:
        self._run.log_metrics(metrics, step=step)
        for name, value in metrics.items():
            if name.startswith(_TIME):
                self._times[name] = value
                continue
            table = "validation" if name.startswith(_VALIDATION) else "losses"
            self._rows[table].setdefault(step, {})[name] = value

    def last(self, name: str) -> float:
        """The last value of a `time/` metric, which is not part of the curves: it would make two
        equal trainings differ.
        """
        return self._times[name]

    def log_image(self, name: str, pixels: np.ndarray, *, step: int = 0) -> None:
        self._run.log_image(name, pixels, step=step)

    def log_file(self, path: Path) -> None:
        self._run.log_file(path)

    def set_tags(self, tags: Mapping[str, str]) -> None:
        self._run.set_tags(tags)

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self._rows, "run": self._run.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._rows = state["rows"]
        self._run.load_state_dict(state["run"])
        # A run that was made since then lacks these; one that has them takes none twice.
        for rows in self._rows.values():
            for step, row in rows.items():
                self._run.log_metrics(row, step=step)

    def write(self, folder: Path) -> None:
        """Write losses.csv and validation.csv: a row per step, a column per metric."""
        folder.mkdir(parents=True, exist_ok=True)
        for table, rows in self._rows.items():
            names = list(dict.fromkeys(name for row in rows.values() for name in row))
            with (folder / f"{table}.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, ["step", *names], lineterminator="\n")
                writer.writeheader()
                for step in sorted(rows):
                    row = {name: f"{value:.6g}" for name, value in rows[step].items()}
                    writer.writerow({"step": step, **row})
