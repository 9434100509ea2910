"""Learned perceptual image patch similarity."""

import importlib.util
from pathlib import Path

import torch
from torch import Tensor

from srlab.backbones import Backbone
from srlab.errors import SrlabError

LAYERS = ("relu1", "relu2", "relu3", "relu4", "relu5")


def load_heads() -> list[Tensor]:
    """The weights of each channel of each layer (v0.1, AlexNet), from the package `lpips`.

    Returns:
        For each layer (1, C, 1, 1).

    Raises:
        SrlabError: the package is not installed.
    """
    spec = importlib.util.find_spec("lpips")
    if spec is None or spec.origin is None:
        raise SrlabError(
            "LPIPS needs the package lpips, which holds its weights: pip install lpips"
        )
    path = Path(spec.origin).parent / "weights" / "v0.1" / "alex.pth"
    state = torch.load(path, weights_only=True, map_location="cpu")
    return [state[f"lin{index}.model.1.weight"] for index in range(len(LAYERS))]


@torch.inference_mode()
def lpips_features(backbone: Backbone, images: Tensor) -> list[Tensor]:
    """What LPIPS compares of RGB images (N, 3, H, W) in [0, 1]: unit vectors of each layer.

    The scaling of [-1, 1] in the source is ImageNet's normalisation of [0, 1].
    """
    return [_unit(features) for features in backbone(images.float(), LAYERS)]


@torch.inference_mode()
def lpips(heads: list[Tensor], sr: list[Tensor], hr: list[Tensor]) -> Tensor:
    """LPIPS (AlexNet, v0.1), one value per image; 0 for equal images.

    Args:
        heads: see `load_heads`.
        sr, hr: what `lpips_features` gives for results and for the truth.

    Returns:
        (N,) float64.

    Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual
    Metric", equation 1.
    """
    total = torch.zeros(len(sr[0]), dtype=torch.float64)
    for head, x, y in zip(heads, sr, hr, strict=True):
        distance = (head * (x - y).square()).sum(dim=1)
        total += distance.mean(dim=(1, 2))
    return total


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
