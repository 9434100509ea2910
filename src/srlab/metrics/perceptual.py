"""ALEX and LPIPS of an image, where their backbone is at hand."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from srlab.backbones import Backbone, load_backbone
from srlab.errors import SrlabError
from srlab.metrics.alex import SMALLEST, alex, alex_features
from srlab.metrics.lpips import load_heads, lpips, lpips_features


@dataclass(frozen=True)
class _Seen:
    """An image, and what the two metrics see in it."""

    image: Tensor
    alex: Tensor
    lpips: list[Tensor]


class PerceptualMetrics:
    """Both metrics over one backbone.

    What the backbone sees in the truth is half of the work, so that of the last two is kept:
    results under several protocols, or of several methods, have the same truth, and those at x2 and
    x4 often do.

    Args:
        backbone: AlexNet; None computes nothing.
    """

    def __init__(self, backbone: Backbone | None) -> None:
        self._backbone = backbone
        self._heads = load_heads() if backbone is not None else []
        self._truths: deque[_Seen] = deque(maxlen=2)

    @property
    def available(self) -> bool:
        """Whether there is a backbone."""
        return self._backbone is not None

    def __call__(self, sr: Tensor, hr: Tensor) -> tuple[float | None, float | None]:
        """(ALEX, LPIPS) of RGB or grey images (1, C, H, W) in [0, 1], whole and unshaved.

        Grey is repeated to RGB. None where there is no backbone, or the image is too small for it.
        """
        if self._backbone is None or min(hr.shape[-2:]) < SMALLEST:
            return None, None
        truth = next((seen for seen in self._truths if torch.equal(seen.image, hr)), None)
        if truth is None:
            truth = _look(self._backbone, hr)
            self._truths.append(truth)
        seen = _look(self._backbone, sr)
        return (
            alex(seen.alex, truth.alex).item(),
            lpips(self._heads, seen.lpips, truth.lpips).item(),
        )


def _look(backbone: Backbone, image: Tensor) -> _Seen:
    rgb = image.float().expand(-1, 3, -1, -1)
    return _Seen(image, alex_features(backbone, rgb), lpips_features(backbone, rgb))


def load_perceptual_metrics(path: Path) -> PerceptualMetrics:
    """The metrics over the file that the stage `backbone@metrics` made.

    Where that stage found no weights, its file says so, and the metrics compute nothing.

    Raises:
        SrlabError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            missing = (file.metadata() or {}).get("backbone") == "none"
    except (FileNotFoundError, SafetensorError, OSError) as error:
        raise SrlabError(f"{path}: cannot be read ({error}); make it again: dvc repro") from None
    return PerceptualMetrics(None if missing else load_backbone(path, "alexnet"))
