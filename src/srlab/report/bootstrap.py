"""How sure a difference between two methods is: the paired bootstrap over images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST_IMAGES = 2
"""Below it there is no interval: one image says nothing of how images differ."""

_BATCH = 2**20
"""Images drawn at once, so that a large dataset does not fill the memory."""


@dataclass(frozen=True)
class Difference:
    """The mean over images of a - b, and an interval for it."""

    mean: float
    low: float | None
    """Lower end of the interval; None with fewer than `FEWEST_IMAGES` images."""
    high: float | None
    images: int

    @property
    def certain(self) -> bool:
        """Whether there is an interval, and zero is outside it."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


def paired_difference(
    a: Sequence[float],
    b: Sequence[float],
    *,
    seed: int = 0,
    draws: int = 10_000,
    level: float = 0.95,
) -> Difference:
    """The mean of a - b over images, with its percentile interval.

    The images are drawn again with replacement; both methods keep their scores of an image
    together, so what an image is hard by falls out of the difference. Equal arguments give equal
    results. The interval is of images like these, not of other seeds of the training; with few
    images (Set5 has five) it is too narrow.

    Args:
        a, b: scores of two methods, an image each, in the same order.
        seed: of the draws.
        draws: how often the images are drawn again.
        level: the share of the draws that the interval holds, between 0 and 1.

    Raises:
        ValueError: the scores differ in number, there are none, or one of them is not finite.

    Source: Efron & Tibshirani 1993, "An Introduction to the Bootstrap", chapters 8 (paired data)
    and 13 (percentile intervals).

    >>> paired_difference([30.0, 28.0], [29.0, 28.0], draws=1000)
    Difference(mean=0.5, low=0.0, high=1.0, images=2)
    """
    if len(a) != len(b):
        raise ValueError(f"scores of {len(a)} and of {len(b)} images cannot be paired")
    if not len(a):
        raise ValueError("no scores to compare")
    if not 0 < level < 1 or draws < 1:
        raise ValueError(f"level {level} must be in (0, 1), and draws {draws} at least 1")
    differences = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    if not np.isfinite(differences).all():
        raise ValueError("a score is not finite")
    mean = math.fsum(differences) / len(differences)
    if len(differences) < FEWEST_IMAGES:
        return Difference(mean=mean, low=None, high=None, images=len(differences))
    means = _resampled_means(differences, np.random.default_rng(seed), draws)
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return Difference(mean=mean, low=float(low), high=float(high), images=len(differences))


def _resampled_means(values: np.ndarray, rng: np.random.Generator, draws: int) -> np.ndarray:
    count = len(values)
    rows = max(1, _BATCH // count)
    means = [
        values[rng.integers(count, size=(min(rows, draws - start), count))].mean(axis=1)
        for start in range(0, draws, rows)
    ]
    return np.concatenate(means)
