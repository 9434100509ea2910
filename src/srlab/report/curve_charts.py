"""Charts of a training: loss terms, validation PSNR, learning rate."""

import csv
from collections.abc import Sequence
from pathlib import Path

from srlab.errors import SrlabError
from srlab.report.charts import line_chart

_POINTS = 200
Series = tuple[list[float], list[float]]


def curve_charts(folder: Path) -> dict[str, str]:
    """Title -> chart (`<svg>`), from the curves that a training wrote (`srlab.training.curves`).

    Raises:
        SrlabError: a file is missing or not a table of numbers.
    """
    losses = _read(folder / "losses.csv")
    validation = _read(folder / "validation.csv")
    terms = {
        name.partition("/")[2]: _thinned(series)
        for name, series in losses.items()
        if name.startswith(("loss/", "generator/"))
    }
    if len(terms) == 2:  # one term and its total are one line
        terms = {"loss": terms["total"]}
    charts = {}
    if terms:
        charts["Loss terms"] = line_chart(terms, x="step", y="loss", logarithmic=True)
    answers = {
        name.removeprefix("discriminator/answer_"): _thinned(series)
        for name, series in losses.items()
        if name.startswith("discriminator/answer_")
    }
    if answers:
        charts["Discriminator's mean answer"] = line_chart(answers, x="step", y="probability")
    scales = {
        name.rpartition("_")[2]: series
        for name, series in validation.items()
        if name.startswith("validation/psnr_x")
    }
    if scales:
        charts["Validation"] = line_chart(scales, x="step", y="PSNR on luma (dB)")
    if "learning_rate" in losses:
        rate = {"learning rate": _thinned(losses["learning_rate"])}
        charts["Learning rate"] = line_chart(rate, x="step", y="learning rate")
    return charts


def _read(path: Path) -> dict[str, Series]:
    """Column -> (steps, values), empty cells left out."""
    series: dict[str, Series] = {}
    try:
        with path.open(newline="") as file:
            reader = csv.DictReader(file)
            if "step" not in (reader.fieldnames or []):
                raise ValueError("it has no column 'step'")
            for row in reader:
                step = float(row.pop("step"))
                for name, value in row.items():
                    if value:
                        steps, values = series.setdefault(name, ([], []))
                        steps.append(step)
                        values.append(float(value))
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise SrlabError(
            f"{path}: not a training's curves ({error}); make them again: dvc repro"
        ) from error
    return series


def _thinned(series: Series) -> Series:
    """At most 200 points, each the mean of its neighbours: noise hides what a curve says."""
    steps, values = series
    bundle = -(-len(steps) // _POINTS)
    return _bundled(steps, bundle), _bundled(values, bundle)


def _bundled(values: Sequence[float], size: int) -> list[float]:
    groups = (values[start : start + size] for start in range(0, len(values), size))
    return [sum(group) / len(group) for group in groups]
