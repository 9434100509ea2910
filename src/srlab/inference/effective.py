"""How far a network looks in effect, where it may look further than a tile allows.

The receptive field of a deep network is wide, but what lies at its rim hardly changes a pixel (Luo
et al. 2016, "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks").
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from srlab.inference.tiles import Network, Region, cut


@dataclass(frozen=True)
class EffectiveRadius:
    """A measured overlap, and what it was measured to cost."""

    radius: int
    """Pixels of the network's input."""
    error: float
    """The largest difference between the image cut in four and the whole image, in the units of
    images. On other images it may be larger."""


@torch.no_grad()
def effective_radius(
    network: Network, image: Tensor, tolerance: float = 1 / 510, scale: int = 1, limit: int = 128
) -> EffectiveRadius:
    """The smallest overlap with which tiles differ from the whole image by the tolerance at most.

    Args:
        network: (1, C, h, w) -> (1, C', s*h, s*w).
        image: (1, C, h, w), typical for what will be enlarged. It is cut in four in the middle.
        tolerance: in the units of images; 1/510 is half of an 8-bit level.
        scale: s.
        limit: the largest overlap that is tried, such as the network's radius, from which on there
            is no error but that of float arithmetic.

    Returns:
        The radius and its error, which is above the tolerance where even the limit does not do.
    """
    height, width = image.shape[-2:]
    whole = network(image)
    quarters = Region(0, height, 0, width).halves()

    def error(overlap: int) -> float:
        worst = 0.0
        for region in quarters:
            seen = region.grown(overlap, height, width)
            piece = network(image[..., seen.top : seen.bottom, seen.left : seen.right])
            frame = Region(0, height, 0, width)
            difference = cut(piece, region, seen, scale) - cut(whole, region, frame, scale)
            worst = max(worst, difference.abs().max().item())
        return worst

    # The error falls with the overlap, so the smallest one is found by halving the range.
    low, high, best = 0, limit, error(limit)
    while low < high:
        middle = (low + high) // 2
        found = error(middle)
        if found <= tolerance:
            high, best = middle, found
        else:
            low = middle + 1
    return EffectiveRadius(high, best)
