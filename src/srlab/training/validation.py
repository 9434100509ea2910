"""Validation on the held-out images."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from srlab.data.color import luma
from srlab.data.images import read_pixels
from srlab.data.patches import degrade, drawn_jpeg
from srlab.data.tensors import crop_to_multiple, to_tensor
from srlab.metrics.psnr import psnr
from srlab.params import PatchParams
from srlab.training.ranks import Ranks


@dataclass(frozen=True)
class ValidationPair:
    """One held-out image at one scale: what the network sees, and the truth, (1, C, H, W)."""

    image: str
    scale: int
    seen: Tensor
    hr: Tensor


def load_validation(params: PatchParams, folder: Path) -> list[ValidationPair]:
    """Every held-out image at every scale, degraded by the first of the degradations."""
    pairs = []
    for path in sorted((folder / "validation").glob("*.png")):
        image = to_tensor(read_pixels(path))
        for scale in params.scales:
            hr = crop_to_multiple(image, scale)
            seen = degrade(
                hr,
                scale=scale,
                degradation=params.degradations[0],
                enlarged=params.enlarged,
                jpeg=drawn_jpeg(params, f"{path.stem} x{scale}"),
            )
            pairs.append(ValidationPair(path.stem, scale, seen, hr))
    return pairs


def validate(
    pairs: list[ValidationPair], enlarge: Callable[[Tensor], Tensor], ranks: Ranks
) -> tuple[dict[str, float], Tensor | None]:
    """PSNR on luma by scale and on average, borders of `scale` pixels shaved, result clamped.

    Args:
        pairs: see `load_validation`.
        enlarge: the network, from what it sees to images.
        ranks: the first of them computes, and the others are told the scores.

    Returns:
        `validation/psnr` and `validation/psnr_x{scale}` in dB, and as an example the last pair's
        result beside the truth, (1, C, H, 2 W); nothing where there is nothing to validate on.
        Only the first rank gets the example.
    """
    scores, example = _score(pairs, enlarge) if ranks.is_first else ({}, None)
    return ranks.told(scores), example


@torch.no_grad()
def _score(
    pairs: list[ValidationPair], enlarge: Callable[[Tensor], Tensor]
) -> tuple[dict[str, float], Tensor | None]:
    scores: dict[int, list[float]] = {}
    example = None
    for pair in pairs:
        sr = enlarge(pair.seen).float().clamp(0, 1).cpu()
        shave = (..., slice(pair.scale, -pair.scale), slice(pair.scale, -pair.scale))
        value = psnr(luma(sr)[shave], luma(pair.hr)[shave])
        scores.setdefault(pair.scale, []).append(value.item())
        example = torch.cat([sr, pair.hr], dim=-1)
    means = {f"validation/psnr_x{scale}": sum(v) / len(v) for scale, v in scores.items()}
    if not means:
        return {}, None
    return {"validation/psnr": sum(means.values()) / len(means), **means}, example
