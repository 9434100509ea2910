"""Which differences between methods are more than the choice of images."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from srlab.errors import SrlabError
from srlab.report.bootstrap import Difference, paired_difference
from srlab.report.missing import NOTHING
from srlab.report.scores import MethodScores, Scores
from srlab.report.tables import Strong, Table

COMPARED = ("psnr", "lpips")
_FORMATS = {"psnr": "+.2f", "lpips": "+.3f"}


@dataclass(frozen=True)
class Comparison:
    """One method against another."""

    protocol: str
    dataset: str
    scale: int
    metric: str
    method: str
    against: str
    difference: Difference
    """Of the method's scores less those of the other."""


def compare_methods(scores: Scores) -> list[Comparison]:
    """Every pair of methods, wherever both have a score of every image; the later one first.

    Raises:
        SrlabError: two methods were scored on different images of a dataset.
    """
    known = {name: method for name, method in scores.items() if method is not None}
    found = []
    for against, method in itertools.combinations(known, 2):
        for protocol, dataset, scale in _cells(known[method]):
            for metric in COMPARED:
                ours, theirs = (
                    known[name].per_image(protocol, dataset, scale, metric)
                    for name in (method, against)
                )
                if not theirs:
                    continue
                if ours.keys() != theirs.keys():
                    raise SrlabError(
                        f"{method} and {against} were scored on different images of {dataset} "
                        f"({protocol}, x{scale}); score them again: dvc repro"
                    )
                a, b = _complete(ours, list(ours)), _complete(theirs, list(ours))
                if a is None or b is None:
                    continue
                found.append(
                    Comparison(
                        protocol, dataset, scale, metric, method, against, paired_difference(a, b)
                    )
                )
    return found


def _cells(scores: MethodScores) -> list[tuple[str, str, int]]:
    return [
        (protocol, dataset, int(scale[1:]))
        for protocol, datasets in scores.means.items()
        for dataset, cells in datasets.items()
        for scale in cells
    ]


def _complete(values: dict[str, float | None], images: list[str]) -> list[float] | None:
    """The scores in an order of images; None if one is missing."""
    known = [value for image in images if (value := values[image]) is not None]
    return known if len(known) == len(images) else None


def intervals_table(comparisons: Sequence[Comparison]) -> Table:
    """A row for each protocol, scale and pair of methods, two columns for each dataset."""
    datasets = list(dict.fromkeys(one.dataset for one in comparisons))
    columns = [(dataset, metric) for dataset in datasets for metric in COMPARED]
    rows: dict[tuple[str, int, str, str], dict[tuple[str, str], Difference]] = {}
    for one in comparisons:
        key = (one.protocol, one.scale, one.method, one.against)
        rows.setdefault(key, {})[one.dataset, one.metric] = one.difference
    protocols = list(dict.fromkeys(key[0] for key in rows))
    ordered = sorted(rows, key=lambda key: (protocols.index(key[0]), -key[1]))
    return Table(
        title="Differences between methods, with paired bootstrap intervals (95 %) over images",
        head=[
            "protocol",
            "scale",
            "methods",
            *(f"{dataset} {metric.upper()}" for dataset, metric in columns),
        ],
        rows=[
            [
                key[0],
                f"x{key[1]}",
                f"{key[2]} - {key[3]}",
                *(_cell(rows[key].get(column), column[1]) for column in columns),
            ]
            for key in ordered
        ],
        notes=[
            "In bold: zero is outside the interval. Positive PSNR and negative LPIPS speak for the "
            "first method. The intervals are of the choice of images, not of another training, and "
            "too narrow where there are few: " + _counts(comparisons) + "."
        ],
    )


def _counts(comparisons: Sequence[Comparison]) -> str:
    counts = {one.dataset: one.difference.images for one in comparisons}
    return ", ".join(f"{dataset} has {count}" for dataset, count in counts.items()) or "none"


def _cell(difference: Difference | None, metric: str) -> str:
    if difference is None:
        return NOTHING
    mean = format(difference.mean, _FORMATS[metric])
    if difference.low is None or difference.high is None:
        return f"{mean} (one image: no interval)"
    low, high = (format(end, _FORMATS[metric]) for end in (difference.low, difference.high))
    text = f"{mean} [{low}, {high}]"
    return Strong(text) if difference.certain else text
