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


def lpips(backbone: Backbone, heads: list[Tensor], sr: Tensor, hr: Tensor) -> Tensor:
    """LPIPS (AlexNet, v0.1) of RGB images, one value per image; 0 for equal images.

    Args:
        backbone: AlexNet.
        heads: see `load_heads`.
        sr, hr: (N, 3, H, W) in [0, 1].

    Returns:
        (N,) float64.

    Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual
    Metric", equation 1. Their scaling of [-1, 1] is ImageNet's normalisation of [0, 1].
    """
    return lpips_distance(heads, lpips_features(backbone, sr), lpips_features(backbone, hr))


@torch.inference_mode()
def lpips_features(backbone: Backbone, images: Tensor) -> list[Tensor]:
    """What LPIPS compares of RGB images (N, 3, H, W) in [0, 1]: unit vectors for each layer."""
    return [_unit(features) for features in backbone(images.float(), LAYERS)]


@torch.inference_mode()
def lpips_distance(heads: list[Tensor], x: list[Tensor], y: list[Tensor]) -> Tensor:
    """LPIPS (N,) float64 of what `lpips_features` gives for images and for the truth."""
    total = torch.zeros(len(x[0]), dtype=torch.float64)
    for head, features, truth in zip(heads, x, y, strict=True):
        distance = (head * (features - truth).square()).sum(dim=1)
        total += distance.mean(dim=(1, 2))
    return total


def _unit(features: Tensor) -> Tensor:
    return features / (features.square().sum(dim=1, keepdim=True).sqrt() + 1e-10)
