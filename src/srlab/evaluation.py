"""A method over benchmarks: per-image scores, then their means."""

import csv
import itertools
import json
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from torch import Tensor

from srlab.data.color import quantize
from srlab.data.images import list_images, read_pixels, write_png
from srlab.data.resample import resample
from srlab.data.tensors import to_pixels, to_tensor
from srlab.inference.upscalers import Upscaler
from srlab.metrics.artefacts import colour_shift, grid
from srlab.metrics.perceptual import PerceptualMetrics
from srlab.metrics.protocols import PROTOCOLS, Protocol, ProtocolName
from srlab.metrics.psnr import psnr
from srlab.metrics.ssim import ssim
from srlab.params import EvaluateParams

PICTURES: ProtocolName = "y_rgb8"
"""The protocol whose results are saved as pictures: 8-bit RGB in and out, as people see them."""


@dataclass(frozen=True)
class Score:
    """One image under one protocol at one scale; None where a metric was not computed."""

    protocol: str
    dataset: str
    scale: int
    image: str
    psnr: float | None
    ssim: float | None
    alex: float | None
    lpips: float | None
    colour_shift: float | None
    grid: float | None


@dataclass(frozen=True)
class Case:
    """One image under one protocol at one scale, to be enlarged."""

    protocol: ProtocolName
    dataset: str
    scale: int
    image: str
    lr: Tensor
    """(1, C, h, w) in [0, 1]: what a method sees."""
    hr: Tensor
    """(1, C, s*h, s*w): the truth."""


FidelityMetric = Literal["psnr", "ssim"]

_FIDELITY: dict[FidelityMetric, Callable[[Tensor, Tensor], Tensor]] = {"psnr": psnr, "ssim": ssim}

METRICS = ("psnr", "ssim", "alex", "lpips", "colour_shift", "grid")


def evaluate(
    upscaler_of: Callable[[Protocol], Upscaler],
    params: EvaluateParams,
    folders: list[Path],
    pictures: Path,
    perceptual: PerceptualMetrics,
) -> list[Score]:
    """Score a method on every image of some datasets.

    Left out are factors that the method does not enlarge by, and protocols on luma for a method
    that takes none.

    Args:
        upscaler_of: the method under a protocol. (The bicubic baseline differs between them.)
        params: protocols and scales.
        folders: one folder of images per dataset; its name is the dataset's.
        pictures: results go to `{dataset}/x{scale}/{image}.png` in here.
        perceptual: computes ALEX and LPIPS, on RGB; not where a protocol leaves luma only.

    Raises:
        SrlabError: an image does not decode.
    """

    def wanted(protocol: Protocol, scale: int) -> bool:
        upscaler = upscaler_of(protocol)
        return (upscaler.scales is None or scale in upscaler.scales) and (
            upscaler.takes_luma or not protocol.luma_first
        )

    scores = []
    for case in cases(params, folders, wanted):
        sr = upscaler_of(PROTOCOLS[case.protocol])(case.lr, case.scale)
        if case.protocol == PICTURES:
            target = pictures / case.dataset / f"x{case.scale}"
            target.mkdir(parents=True, exist_ok=True)
            write_png(target / f"{case.image}.png", to_pixels(sr))
        scores.append(score(sr, case, perceptual))
    return scores


def cases(
    params: EvaluateParams, folders: list[Path], wanted: Callable[[Protocol, int], bool]
) -> Iterator[Case]:
    """Every image of some datasets under every protocol at every scale.

    Args:
        params: protocols and scales.
        folders: one folder of images per dataset; its name is the dataset's.
        wanted: whether a protocol at a scale is.

    Raises:
        SrlabError: an image does not decode.
    """
    for folder in folders:
        for path in list_images(folder):
            image = to_tensor(read_pixels(path))
            # Under several protocols the truth of a scale is the same, see `PerceptualMetrics`.
            for scale, name in itertools.product(params.scales, params.protocols):
                if wanted(PROTOCOLS[name], scale):
                    lr, hr = PROTOCOLS[name].pair(image, scale)
                    yield Case(name, folder.name, scale, path.stem, lr, hr)


def score(sr: Tensor, case: Case, perceptual: PerceptualMetrics) -> Score:
    """Every metric of one result (1, C, H, W) in [0, 1].

    Args:
        sr: a method's result for the case.
        case: what it is the result for.
        perceptual: computes ALEX and LPIPS, on RGB; not where a protocol leaves luma only.
    """
    protocol = PROTOCOLS[case.protocol]
    fidelity = score_fidelity(sr, case.hr, protocol, case.scale)
    seen = quantize(sr)
    alex, lpips = (None, None) if protocol.luma_first else perceptual(seen, case.hr)
    return Score(
        protocol=case.protocol,
        dataset=case.dataset,
        scale=case.scale,
        image=case.image,
        psnr=fidelity["psnr"],
        ssim=fidelity["ssim"],
        alex=alex,
        lpips=lpips,
        colour_shift=colour_shift(seen, case.lr),
        grid=grid(seen, resample(case.lr, scale=case.scale), case.scale),
    )


def score_fidelity(
    sr: Tensor,
    hr: Tensor,
    protocol: Protocol,
    scale: int,
    metrics: Collection[FidelityMetric] = ("psnr", "ssim"),
) -> dict[FidelityMetric, float | None]:
    """How near a result is to the truth: the named metrics of what the protocol compares.

    None where a metric has no finite value: PSNR of equal images, SSIM of very small ones.

    Args:
        sr, hr: one image each (1, C, H, W) in [0, 1].
        protocol, scale: what of them is compared.
        metrics: those to compute.
    """
    compared = [protocol.comparable(image, scale) for image in (sr, hr)]
    return {metric: _finite(_FIDELITY[metric](*compared)) for metric in metrics}


def _finite(value: Tensor) -> float | None:
    number = value.item()
    return number if math.isfinite(number) else None


def means(scores: list[Score]) -> dict[str, Any]:
    """{protocol: {dataset: {"x2": {"psnr": ..., ...}}}}: the mean over images of each metric.

    None where a metric is missing for one of the images.
    """
    groups: dict[tuple[str, str, int], list[Score]] = {}
    for score in scores:
        groups.setdefault((score.protocol, score.dataset, score.scale), []).append(score)
    tree: dict[str, Any] = {}
    for (protocol, dataset, scale), group in groups.items():
        cell = {metric: mean([getattr(score, metric) for score in group]) for metric in METRICS}
        tree.setdefault(protocol, {}).setdefault(dataset, {})[f"x{scale}"] = cell
    return tree


def mean(values: Sequence[float | None]) -> float | None:
    """The mean, to six decimals; None where one of the values is missing."""
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 6) if len(known) == len(values) else None


def write_scores(scores: list[Score], made_by: dict[str, Any], metrics: Path, table: Path) -> None:
    """The means with what made them as JSON, and a row per image as CSV."""
    for path in (metrics, table):
        path.parent.mkdir(parents=True, exist_ok=True)
    metrics.write_text(json.dumps({**means(scores), "made_by": made_by}, indent=2) + "\n")
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Score)], lineterminator="\n")
        writer.writeheader()
        for score in scores:
            row = asdict(score)
            for metric in METRICS:
                row[metric] = "" if row[metric] is None else f"{row[metric]:.6f}"
            writer.writerow(row)
