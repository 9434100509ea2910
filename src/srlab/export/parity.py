"""Does a file give what srlab gives? Asked of the file as written, with images of several sizes."""

from collections.abc import Callable

import torch
from torch import Tensor

from srlab.inference.upscalers import Upscaler

SIZES = ((1, 24, 24), (2, 17, 31), (1, 40, 9))
"""(N, h, w) of the images that are compared."""


def largest_difference(run: Callable[[Tensor], Tensor], upscaler: Upscaler, scale: int) -> float:
    """The largest difference of any value between two results, over images of all `SIZES`.

    Args:
        run: what the file gives for RGB images, (N, 3, h, w) -> (N, 3, s*h, s*w).
        upscaler: what it must give.
        scale: s.

    Returns:
        In [0, 1]; infinite where a result has another shape, not a number where one has none.
    """
    generator = torch.Generator().manual_seed(0)
    differences = []
    for number, height, width in SIZES:
        # Noise: whatever a network can do, there is a pixel that it does it to.
        lr = torch.rand(number, 3, height, width, generator=generator)
        found, expected = run(lr), upscaler(lr, scale)
        if found.shape != expected.shape:
            return float("inf")
        differences.append((found - expected).abs().max())
    return torch.stack(differences).max().item()
