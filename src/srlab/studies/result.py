"""The result of a study: `metrics/studies/NAME.json`, written here and read by the report."""

import json
import os
from pathlib import Path

from pydantic import Field, ValidationError

from srlab.complaints import complaints
from srlab.errors import SrlabError
from srlab.strict_yaml import StrictModel

Cell = dict[str, float | None]
"""metric -> mean over images; None where it was not computed."""


class ArmResult(StrictModel):
    """What one arm came to."""

    name: str
    """As in the plan."""
    overrides: dict[str, object]
    """What makes it differ from the other arms: dotted key of params.yaml -> value."""
    experiment: str
    """Name of the DVC experiment."""
    commit: str
    """The experiment's git commit, which holds its params, scores and hashes of its files."""
    mlflow_run_id: str | None
    """The training's run."""
    weights_sha256: str | None
    """The network's file."""
    params_sha256: str | None
    """What of the params the weights depend on."""
    data_sha256: str | None
    """The training patches."""
    git_commit: str | None
    """The code that trained it."""
    seconds: float | None
    """How long the training took."""
    scores: dict[str, dict[str, dict[str, Cell]]]
    """{protocol: {dataset: {"x4": {metric: mean}}}}, all that the stage wrote."""
    per_image: dict[str, dict[str, dict[str, dict[str, float | None]]]]
    """{protocol: {dataset: {"x4": {image: value}}}} of the deciding metric."""
    pictures: dict[str, str]
    """image -> file of its crop, beside the result in the folder of the study's name."""


class StudyDifference(StrictModel):
    """How much an arm's scores differ from those of the arm that it is compared with."""

    arm: str
    against: str
    metric: str
    protocol: str
    dataset: str
    scale: int
    mean: float
    """Mean over images of arm - against."""
    low: float | None
    """Lower end of the 95 % interval of the paired bootstrap; None with too few images."""
    high: float | None
    """Upper end."""
    images: int
    """Number of images."""


class Study(StrictModel):
    """A study's result."""

    study: str
    """Its name."""
    title: str
    question: str
    paper: str
    """What the paper says of it."""
    metric: str
    """The deciding metric."""
    budget: dict[str, int | float]
    """{"steps": 300}, or by section where they differ."""
    overrides: dict[str, object]
    """Changes of params.yaml that all arms share."""
    params_sha256: str
    """All params of all arms, without those of the report."""
    git_commit: str | None
    """The code that collected the result."""
    device: str
    """The processor or GPU."""
    arms: list[ArmResult] = Field(min_length=1)
    differences: list[StudyDifference]
    """Each arm against one of them, by protocol, dataset and scale."""
    truth: dict[str, str]
    """image -> file of the true image's crop."""

    def arm(self, name: str) -> ArmResult:
        """The arm of a name.

        Raises:
            KeyError: there is none.
        """
        for arm in self.arms:
            if arm.name == name:
                return arm
        raise KeyError(name)


def load_study(path: Path) -> Study:
    """Read a study's result.

    Raises:
        SrlabError: the file is missing or not what `write_study` writes; it names the file.
    """
    again = f"make it again: python -m pipeline.study {path.stem}"
    try:
        text = path.read_text(encoding="utf-8")
        return Study.model_validate_json(text)
    except ValidationError as error:
        first = complaints(error, str(path), Study)[0]
        raise SrlabError(f"{first}; {again}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SrlabError(f"{path}: not a study's result ({error}); {again}") from None


def write_study(study: Study, path: Path) -> None:
    """Write a study's result under a temporary name, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(json.dumps(study.model_dump(), indent=2) + "\n", encoding="utf-8")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
