"""What the scoring stages wrote, read back: a method's means, its score of each image, its origin.

The format is that of `srlab.evaluation.write_scores`.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from srlab.errors import SrlabError
from srlab.evaluation import METRICS, Score, means
from srlab.params import ProtocolName

_ROUNDING = 2e-6
"""Means were taken before the scores of the images were rounded to six decimals."""

_Scale = Annotated[str, Field(pattern=r"^x[1-9][0-9]*$")]
_Value = Annotated[float, Field(allow_inf_nan=False)] | None
_Datasets = dict[str, dict[_Scale, dict[str, _Value]]]


class MadeBy(BaseModel):
    """What a method's scores were made by; None for what a method without training has not."""

    model_config = ConfigDict(frozen=True, extra="ignore", use_attribute_docstrings=True)

    weights_sha256: str | None
    """Of the weights file."""
    params_sha256: str | None
    """Of the sections of params.yaml that the weights, or an interpolation's scores, depend on."""
    data_sha256: str | None
    """Of the training patches."""
    git_commit: str | None
    """Commit of the code that trained, or that scored an interpolation."""
    mlflow_run_id: str | None
    """The run that trained."""
    parameters: int | None = None
    """Of the network."""
    strength: float | None = None
    """How far SRGAN's weights are mixed into SRResNet's."""


@dataclass(frozen=True)
class MethodScores:
    """One method's scores."""

    means: Mapping[str, Mapping[str, Mapping[str, Mapping[str, float | None]]]]
    """{protocol: {dataset: {"x2": {metric: mean over images}}}}"""
    images: Sequence[Score]
    """A score for each protocol, dataset, scale and image."""
    made_by: MadeBy

    def mean(self, protocol: str, dataset: str, scale: int, metric: str) -> float | None:
        """The mean over a dataset's images; None if it was not scored or not computed."""
        cells = self.means.get(protocol, {}).get(dataset, {})
        return cells.get(f"x{scale}", {}).get(metric)

    def per_image(
        self, protocol: str, dataset: str, scale: int, metric: str
    ) -> dict[str, float | None]:
        """Image -> score; empty if it was not scored."""
        return {
            score.image: getattr(score, metric)
            for score in self.images
            if (score.protocol, score.dataset, score.scale) == (protocol, dataset, scale)
        }


Scores = Mapping[str, MethodScores | None]
"""Method -> its scores; None if it was not run. The order is that of the tables."""


def read_scores(folder: Path, methods: Sequence[str]) -> dict[str, MethodScores | None]:
    """The scores of some methods: METHOD.json and per_image/METHOD.csv in a folder.

    Raises:
        SrlabError: see `read_method`.
    """
    return {
        method: read_method(folder / f"{method}.json", folder / "per_image" / f"{method}.csv")
        for method in methods
    }


def read_method(metrics: Path, table: Path) -> MethodScores | None:
    """One method's scores; None where neither file is there, since it was not run.

    Args:
        metrics: the means, JSON.
        table: the score of each image, CSV.

    Raises:
        SrlabError: one file is there without the other, is not what the stages write, or the means
            are not those of the images.
    """
    there = [path for path in (metrics, table) if path.is_file()]
    if not there:
        return None
    if len(there) == 1:
        missing = table if there == [metrics] else metrics
        raise SrlabError(f"{missing}: missing beside {there[0]}; make both again: dvc repro")
    tree, made_by = _read_means(metrics)
    images = _read_images(table)
    if not _agree(tree, means(images)):
        raise SrlabError(
            f"{metrics}: its means are not those of {table}, so they are of different runs; "
            "make both again: dvc repro"
        )
    return MethodScores(tree, images, made_by)


def _read_means(path: Path) -> tuple[dict[str, _Datasets], MadeBy]:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        made_by = MadeBy.model_validate(tree.pop("made_by"), strict=True)
        checked = TypeAdapter(dict[ProtocolName, _Datasets]).validate_python(tree, strict=True)
        return {str(name): datasets for name, datasets in checked.items()}, made_by
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SrlabError(
            f"{path}: not a metrics file ({_reason(error)}); make it again: dvc repro"
        ) from None


def _read_images(path: Path) -> list[Score]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if reader.fieldnames != (expected := [field.name for field in fields(Score)]):
                raise ValueError(f"its columns are {reader.fieldnames}, not {expected}")
            return [_score(row, reader.line_num) for row in reader]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise SrlabError(
            f"{path}: not a table of scores ({_reason(error)}); make it again: dvc repro"
        ) from None


def _score(row: dict[str, Any], line: int) -> Score:
    if None in row or None in row.values():
        raise ValueError(f"line {line} has more or fewer cells than there are columns")
    values: dict[str, Any] = {name: row[name] for name in ("protocol", "dataset", "image")}
    values |= {name: float(row[name]) if row[name] else None for name in METRICS}
    return Score(scale=int(row["scale"]), **values)


def _agree(tree: Any, of_images: Any) -> bool:
    """Whether two trees of means are equal but for rounding."""
    if isinstance(tree, dict):
        return (
            isinstance(of_images, dict)
            and tree.keys() == of_images.keys()
            and all(_agree(tree[key], of_images[key]) for key in tree)
        )
    if tree is None or of_images is None:
        return tree is of_images
    return abs(tree - of_images) <= _ROUNDING


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return " ".join(str(error).split())
