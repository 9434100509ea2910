"""The registry of released models: which there are, their files, scores and licences.

The released weights lie beside `models.yaml` in the package; so do their cards, as Markdown. What
is loaded is what was released: a file's SHA-256 is checked.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from srlab.checked_yaml import read_checked
from srlab.complaints import nearest
from srlab.data.kernels import Kernel
from srlab.errors import SrlabError
from srlab.params import ModelName
from srlab.provenance import file_hash
from srlab.strict_yaml import StrictModel

RELEASED = Path(__file__).parent / "released"
"""The folder of the package's own models."""

_Scale = Annotated[str, Field(pattern=r"^x[1-9][0-9]*$")]
_Cell = dict[str, float | None]

Scores = dict[str, dict[str, dict[_Scale, _Cell]]]
"""{protocol: {dataset: {"x2": {"psnr": ..., ...}}}}, as `metrics/METHOD.json` has it."""


class Entry(StrictModel):
    """A released model."""

    name: ModelName
    """As `--model` has it."""
    file: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*\.safetensors$")]
    """Its weights, beside the registry."""
    card: Annotated[str, Field(pattern=r"^cards/[a-z0-9][a-z0-9_.-]*\.md$")]
    """Its model card, beside the registry."""
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    """Of the weights."""
    bytes: int = Field(gt=0)
    """Size of the weights."""
    numbers: Annotated[str, Field(pattern=r"^(float32|float16)$")]
    """What the weights are stored as."""
    architecture: str
    """A key of `srlab.weights.ARCHITECTURES`."""
    parameters: int = Field(gt=0)
    """How many."""
    scales: list[int] = Field(min_length=1)
    """Factors that it was trained for."""
    licence: str = Field(min_length=1)
    """Under which the weights may be used."""
    good_for: str = Field(min_length=1)
    """In a sentence, when to choose it."""
    start: ModelName | None
    """The released model that it descends from, whose weights are those at strength 0."""
    scores: Scores
    """Means over the images of each dataset."""


class Registry(StrictModel):
    """models.yaml."""

    default: ModelName | None
    """What is used where no model is named."""
    for_jpeg: ModelName | None = None
    """What is advised where pictures were saved as JPEG."""
    models: list[Entry]
    """In the order in which they are listed."""

    @model_validator(mode="after")
    def _names(self) -> "Registry":
        names = [entry.name for entry in self.models]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"models: {', '.join(twice)} stands there twice; remove one")
        if taken := sorted({*names} & {*BASELINES}):
            raise ValueError(f"models: {', '.join(taken)} is a baseline's name; choose another")
        roles = [("default", self.default), ("for_jpeg", self.for_jpeg)]
        for role, name in [*roles, *(("start", entry.start) for entry in self.models)]:
            if name is not None and name not in names:
                raise ValueError(f"{role}: {name} is none of the models")
        return self

    def entry(self, name: str) -> Entry | None:
        """The model with a name."""
        return next((entry for entry in self.models if entry.name == name), None)


@dataclass(frozen=True)
class Baseline:
    """Interpolation, which needs no weights."""

    name: str
    kernel: Kernel
    good_for: str


BASELINES = {
    baseline.name: baseline
    for baseline in (
        Baseline("bicubic", "bicubic", "a fast, honest preview: what networks are held against"),
        Baseline("lanczos", "lanczos", "a little sharper than bicubic, with faint halos at edges"),
        Baseline("nearest", "nearest", "pixel art and screenshots: every pixel becomes a square"),
    )
}


@dataclass(frozen=True)
class Release:
    """Weights on disk, released or somebody's own."""

    name: str
    """Of the released model, or the path as it was given."""
    path: Path
    """A safetensors file."""
    start: Path | None = None
    """The weights at strength 0, where there are any."""


def load_registry(folder: Path | None = None) -> Registry:
    """The registry in a folder, by default the package's.

    Raises:
        SrlabError: it is missing or malformed; one line for each mistake.
    """
    return read_checked((folder or RELEASED) / "models.yaml", Registry)


def resolve(model: str | os.PathLike[str] | None, folder: Path | None = None) -> Baseline | Release:
    """What a name or path stands for.

    Args:
        model: a baseline's or released model's name, or a weights file; None for the default.
        folder: the registry's; the package's by default.

    Raises:
        SrlabError: there is no such model, no default, or the released file is not what it was.
    """
    if isinstance(model, str) and model in BASELINES:
        return BASELINES[model]
    if model is not None and _is_path(model):
        path = Path(model)
        if not path.is_file():
            raise SrlabError(f"{path}: no such weights file; srlab models lists what is there")
        return Release(str(model), path)
    registry = load_registry(folder)
    name = registry.default if model is None else str(model)
    if name is None:
        raise SrlabError(
            "no model was released with this installation; name a weights file (dvc repro makes "
            "models/*.safetensors) or an interpolation: --model bicubic"
        )
    entry = registry.entry(name)
    if entry is None:
        known = [entry.name for entry in registry.models] + list(BASELINES)
        raise SrlabError(f"{name}: no such model or file; {nearest(name, known)}")
    start = None if entry.start is None else registry.entry(entry.start)
    return Release(
        name,
        _checked(entry, folder or RELEASED),
        None if start is None else _checked(start, folder or RELEASED),
    )


def resolve_blend(model: str | os.PathLike[str] | None, folder: Path | None = None) -> Release:
    """What a name or path stands for, with the weights at strength 0.

    Those of a weights file are in `srresnet.safetensors` beside it. Without a name it is the first
    released model that has a strength.

    Raises:
        SrlabError: see `resolve`; or the model has no strength to choose.
    """
    if model is None:
        with_start = [e.name for e in load_registry(folder).models if e.start is not None]
        if not with_start:
            raise SrlabError("no released model has a strength; name an SRGAN's weights: --model")
        model = with_start[0]
    found = resolve(model, folder)
    if isinstance(found, Release) and found.start is None and _is_path(model):
        beside = found.path.with_name("srresnet.safetensors")
        if not beside.is_file():
            raise SrlabError(
                f"{found.path}: its strength needs the weights it was trained from, which would be "
                f"{beside}; copy them there, or leave the strength out"
            )
        found = Release(found.name, found.path, beside)
    if isinstance(found, Baseline) or found.start is None or found.start == found.path:
        raise SrlabError(
            f"{found.name} has no strength: that mixes an SRGAN with the SRResNet it was trained "
            "from; choose an SRGAN, or leave the strength out"
        )
    return found


def _is_path(model: str | os.PathLike[str]) -> bool:
    text = os.fspath(model)
    return not isinstance(model, str) or text.endswith(".safetensors") or os.sep in text


def _checked(entry: Entry, folder: Path) -> Path:
    path = folder / entry.file
    if not path.is_file() or file_hash(path) != entry.sha256:
        raise SrlabError(f"{path}: missing or damaged; install srlab again")
    return path
