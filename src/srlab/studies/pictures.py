"""Crops of the arms' results and of the true images, all at the same place."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from srlab.data.images import read_pixels, write_png
from srlab.errors import SrlabError
from srlab.report.crops import most_detailed
from srlab.studies.plan import TRUTH, Crops


@dataclass(frozen=True)
class Pictures:
    """Names of files, in the folder of the study."""

    of_arms: dict[str, dict[str, str]] = field(default_factory=dict)
    """arm -> image -> file"""
    truth: dict[str, str] = field(default_factory=dict)
    """image -> file"""


def write_crops(
    crops: Crops,
    files: Mapping[str, Any],
    datasets: Sequence[str],
    *,
    images: str,
    results: str,
    output: Path,
) -> Pictures:
    """Write `{arm}_{image}.png` and `truth_{image}.png`; remove other pictures of the folder.

    The crop is where the true image has the most detail, so no arm chooses it.

    Args:
        crops: which images, their scale and the crop's side.
        files: arm -> file system of its experiment.
        datasets: those that were scored; the first that has an image of a name gives it.
        images: folder of the true images, `{dataset}/{image}.png`, in an experiment.
        results: folder of the results, see `srlab.evaluation.evaluate`, in an experiment.
        output: the folder to fill.

    Raises:
        SrlabError: a picture is missing, or is none.
    """
    pictures = Pictures({arm: {} for arm in files}, {})
    first = next(iter(files.values()))
    output.mkdir(parents=True, exist_ok=True)
    for image in crops.images:
        found = [d for d in datasets if first.exists(f"{images}/{d}/{image}.png")]
        if not found:
            continue
        dataset = found[0]
        hr = _read(first, f"{images}/{dataset}/{image}.png")
        box = most_detailed(_rgb(hr), crops.side)
        pictures.truth[image] = f"{TRUTH}_{image}.png"
        write_png(output / pictures.truth[image], box.inside(hr))
        for arm, experiment in files.items():
            sr = _read(experiment, f"{results}/{dataset}/x{crops.scale}/{image}.png")
            pictures.of_arms[arm][image] = f"{arm}_{image}.png"
            write_png(output / pictures.of_arms[arm][image], box.inside(sr))
    written = set(pictures.truth.values())
    written.update(*(files_of.values() for files_of in pictures.of_arms.values()))
    for path in output.glob("*.png"):
        if path.name not in written:
            path.unlink()
    return pictures


def _read(files: Any, path: str) -> np.ndarray:
    try:
        return read_pixels(io.BytesIO(files.read_bytes(path)), path)
    except OSError as error:
        raise SrlabError(f"{path}: not in the experiment ({error}); run it again") from error


def _rgb(pixels: np.ndarray) -> np.ndarray:
    return np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
