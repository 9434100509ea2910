"""Which part of an image a figure shows: chosen by the program, so that no method is favoured."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from srlab.data.images import read_pixels

_WINDOW = 7
_SIDE = 256


@dataclass(frozen=True)
class Box:
    """A square of an image, in pixels."""

    left: int
    top: int
    side: int

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom)"""
        return self.left, self.top, self.left + self.side, self.top + self.side

    def inside(self, pixels: np.ndarray) -> np.ndarray:
        """What of uint8 (H, W) or (H, W, 3) lies in the square."""
        return pixels[self.top : self.top + self.side, self.left : self.left + self.side]


def most_detailed(pixels: np.ndarray, side: int) -> Box:
    """The square with the largest gradients in uint8 (H, W, 3).

    Args:
        side: of the square; at most that of the image.
    """
    grey = _grey(pixels)
    slope = np.zeros_like(grey)
    slope[:, 1:] += np.abs(np.diff(grey, axis=1))
    slope[1:] += np.abs(np.diff(grey, axis=0))
    return _largest(slope, side)[0]


def most_invented(sr: np.ndarray, hr: np.ndarray, side: int) -> tuple[Box, float]:
    """The square where sr's local variance exceeds hr's most: texture that is not there.

    Args:
        sr, hr: uint8 (H, W) or (H, W, 3), of one size.
        side: of the square; at most that of the image.

    Returns:
        The square, and by how much the variance over windows of 7x7 pixels is larger in it on
        average, in squared grey levels.
    """
    excess = local_variance(sr) - local_variance(hr)
    return _largest(excess, side)


def local_variance(pixels: np.ndarray) -> np.ndarray:
    """Variance of the grey levels over the 7x7 pixels around each, (H, W) float64."""
    grey = _grey(pixels)
    padded = np.pad(grey, _WINDOW // 2, mode="reflect" if min(grey.shape) > _WINDOW else "edge")
    mean, square = (_sums(x, _WINDOW) / _WINDOW**2 for x in (padded, padded**2))
    return square - mean**2


def read_crop(path: Path, box: Box) -> np.ndarray:
    """The square of a picture, enlarged without smoothing to at least 256 pixels; uint8 RGB."""
    part = Image.fromarray(box.inside(read_pixels(path))).convert("RGB")
    factor = max(1, -(-_SIDE // box.side))
    return np.asarray(
        part.resize((part.width * factor, part.height * factor), Image.Resampling.NEAREST)
    )


def _largest(values: np.ndarray, side: int) -> tuple[Box, float]:
    """The square with the largest sum of (H, W), and its mean."""
    side = min(side, *values.shape)
    sums = _sums(values, side)
    top, left = (int(corner) for corner in np.unravel_index(np.argmax(sums), sums.shape))
    return Box(left, top, side), float(sums[top, left]) / side**2


def _sums(values: np.ndarray, side: int) -> np.ndarray:
    """Sums over all squares of a side, by cumulative sums."""
    total = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    return total[side:, side:] - total[:-side, side:] - total[side:, :-side] + total[:-side, :-side]


def _grey(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float64).mean(axis=2) if pixels.ndim == 3 else pixels.astype(np.float64)
