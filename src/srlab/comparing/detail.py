"""Where a picture has the most detail, found fast in large ones."""

import math

import numpy as np

from srlab.report.crops import Box, most_detailed

_ENOUGH = 4_000_000
"""Pixels that are looked at; of larger pictures some rows and columns are left out."""


def detail(pixels: np.ndarray, side: int) -> Box:
    """The most detailed square of a picture, transparency aside.

    Args:
        pixels: (H, W, C), the last of two or four channels is alpha.
        side: of the square; at most that of the picture.
    """
    height, width, channels = pixels.shape
    side = min(side, height, width)
    step = math.ceil(math.sqrt(height * width / _ENOUGH))
    colours = pixels[::step, ::step, : channels - (channels in (2, 4))]
    found = most_detailed(colours, max(1, side // step))
    return Box(min(found.left * step, width - side), min(found.top * step, height - side), side)
