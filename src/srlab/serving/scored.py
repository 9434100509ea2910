"""A network with its scores: which one it is, what it was tested on, how good it is."""

import functools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from srlab.data.images import list_images, pixel_hash, read_pixels
from srlab.evaluation import PICTURES, Score, means
from srlab.provenance import file_hash, values_hash

Method = Literal["memnet", "srresnet", "srgan"]

DECISIVE: dict[Method, Literal["psnr", "lpips"]] = {
    "memnet": "psnr",
    "srresnet": "psnr",
    "srgan": "lpips",
}
"""What a method is judged by, as it was trained: nearness to the truth, or how pictures look."""


@dataclass(frozen=True)
class Result:
    """How good a network is by the metric that its method is judged by."""

    value: float
    """The mean over all images and scales of the test."""
    test: str
    """A fingerprint of protocol, metric, scales and pixels: equal where results are comparable."""
    metric: Literal["psnr", "lpips"]
    protocol: str

    def better_than(self, value: float) -> bool:
        """Than another network's value in the same test."""
        return self.value > value if self.metric == "psnr" else self.value < value


@dataclass(frozen=True)
class ScoredNetwork:
    """A network as a scoring stage knows it."""

    method: Method
    weights: Path
    run_id: str | None
    """The MLflow run that trained it; None where it was not tracked."""
    git_commit: str | None
    """Of the code that trained it."""
    scores: Sequence[Score]
    """Empty where the method does not enlarge by any of the factors."""
    folders: Sequence[Path]
    """The datasets that it was scored on, as `srlab.evaluation.evaluate` got them."""
    blend_from: Path | None = None
    """The weights at strength 0 where `weights` are at 1: `srresnet.safetensors` beside them. None
    for a network that is no blend."""
    strength: float = 1.0
    """That the scores are for."""

    @functools.cached_property
    def identity(self) -> dict[str, str]:
        """What no two networks have alike."""
        tags = {"weights_sha256": file_hash(self.weights)}
        if self.blend_from is not None:
            tags["blend_from_sha256"] = file_hash(self.blend_from)
            tags["strength"] = str(self.strength)
        return tags

    @property
    def protocol(self) -> str:
        """The protocol that decides: that of 8-bit RGB pictures if it was scored, or the first."""
        scored = dict.fromkeys(score.protocol for score in self.scores)
        return PICTURES if PICTURES in scored else next(iter(scored))

    def result(self) -> Result | None:
        """None where the metric was not computed, as LPIPS where there was no AlexNet."""
        metric = DECISIVE[self.method]
        rows = self._decisive()
        values = [getattr(row, metric) for row in rows]
        if None in values:
            return None
        pixels = {
            (folder.name, path.stem): pixel_hash(read_pixels(path))
            for folder in self.folders
            for path in list_images(folder)
        }
        images = sorted([row.scale, pixels[row.dataset, row.image]] for row in rows)
        test = values_hash({"protocol": self.protocol, "metric": metric, "images": images})
        return Result(statistics.fmean(values), test[:16], metric, self.protocol)

    def score_tags(self) -> dict[str, str]:
        """The means over each dataset, under names such as y_rgb8.set5.x4.psnr."""
        return {
            f"{protocol}.{dataset}.{scale}.{metric}": str(cell[metric])
            for protocol, datasets in means(self._decisive()).items()
            for dataset, scales in datasets.items()
            for scale, cell in scales.items()
            for metric in ("psnr", "ssim", "alex", "lpips")
            if cell[metric] is not None
        }

    def _decisive(self) -> list[Score]:
        return [score for score in self.scores if score.protocol == self.protocol]
