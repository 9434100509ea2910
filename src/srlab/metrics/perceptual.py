"""ALEX and LPIPS of an image, where their backbone is at hand."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from torch import Tensor

from srlab.backbones import Backbone, load_backbone
from srlab.errors import SrlabError
from srlab.metrics.alex import SMALLEST, alex
from srlab.metrics.lpips import load_heads, lpips


class PerceptualMetrics:
    """Both metrics over one backbone.

    Args:
        backbone: AlexNet; None computes nothing.
    """

    def __init__(self, backbone: Backbone | None) -> None:
        self._backbone = backbone
        self._heads = load_heads() if backbone is not None else []

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
        pair = [image.float().expand(-1, 3, -1, -1) for image in (sr, hr)]
        return (
            alex(self._backbone, *pair).item(),
            lpips(self._backbone, self._heads, *pair).item(),
        )


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
