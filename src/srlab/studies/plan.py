"""What a study asks and compares: typed models of studies.yaml."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from srlab.complaints import complaints, nearest
from srlab.errors import SrlabError
from srlab.params import DatasetName, ProtocolName, Scale
from srlab.strict_yaml import StrictModel, read_yaml

ArmName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]+$")]
Metric = Literal["psnr", "ssim", "alex", "lpips", "colour_shift", "grid"]
TrainedSection = Literal["memnet", "srresnet", "srgan"]

TRUTH = "truth"
"""Stands for an arm where pictures are named, so no arm may be called that."""


class Decision(StrictModel):
    """The scores that the arms are compared by."""

    metric: Metric
    """Compared image by image."""

    protocols: list[ProtocolName] = Field(min_length=1)
    """Under these protocols, which the params have to evaluate."""

    scales: list[Scale] = Field(min_length=1)
    """At these factors."""

    datasets: list[DatasetName] | None = None
    """On these datasets; on all of data.test where it is left out."""


class Crops(StrictModel):
    """Which pictures are kept of each arm."""

    images: list[str] = Field(min_length=1)
    """Names of images; those that are not in data.test are left out."""

    scale: Scale
    """Factor of the pictures."""

    side: int = Field(ge=16, le=160)
    """Side of the crop in high-resolution pixels; as a PNG it has less than 100 KB."""


class Plan(StrictModel):
    """One study."""

    title: str
    """A few words."""

    question: str
    """What is asked."""

    paper: str
    """What the paper says of it, with its numbers."""

    target: str
    """The stage of dvc.yaml that scores an arm. It and what it depends on are run, nothing else."""

    method: TrainedSection
    """Whose scores and pictures that stage writes."""

    budget: list[TrainedSection] = Field(min_length=1)
    """Sections of the params whose budget `--steps`, `--minutes` and `--epochs` set."""

    overrides: dict[str, Any] = Field(default_factory=dict)
    """Changes of the params that all arms share: dotted key -> value."""

    arms: dict[ArmName, dict[str, Any]] = Field(min_length=2)
    """Name -> the changes of the params that make the arm."""

    against: ArmName
    """The arm that each of the others is compared with."""

    decision: Decision
    """The scores that the arms are compared by."""

    pictures: Crops | None = None
    """Pictures to keep; none where it is left out."""

    @model_validator(mode="after")
    def _arms_fit(self) -> "Plan":
        if self.against not in self.arms:
            raise ValueError(
                f"against: {self.against!r} is no arm; {nearest(self.against, list(self.arms))}"
            )
        if TRUTH in self.arms:
            raise ValueError(f"arms: {TRUTH!r} is the name of the true images' pictures; rename it")
        return self


def load_plans(path: Path) -> dict[str, Plan]:
    """Every study of studies.yaml, in its order.

    Raises:
        SrlabError: see `load_plan`.
    """
    studies = _read_studies(path)
    return {name: _plan(studies, path, name) for name in studies}


def load_plan(path: Path, name: str) -> Plan:
    """One study of studies.yaml.

    Raises:
        SrlabError: the file is missing or no YAML, it has no such study, or the study is not what
            `Plan` asks for; one line for each mistake.
    """
    return _plan(_read_studies(path), path, name)


def _read_studies(path: Path) -> dict[str, Any]:
    studies = read_yaml(path)
    if not isinstance(studies, dict):
        raise SrlabError(f"{path}: must map names of studies to studies; see srlab.studies.plan")
    return studies


def _plan(studies: Mapping[str, Any], path: Path, name: str) -> Plan:
    if name not in studies:
        raise SrlabError(f"{path}: no study {name!r}; {nearest(name, list(studies))}")
    try:
        return Plan.model_validate(studies[name])
    except ValidationError as error:
        raise SrlabError("\n".join(complaints(error, f"{path}: {name}", Plan))) from None
