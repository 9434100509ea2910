"""Back-projection: a result that, shrunk, is the image it was made from.

Source: Irani & Peleg 1991, "Improving Resolution by Image Registration", section 3; Timofte et al.
2016, "Seven ways to improve example-based single image super resolution", section 3.4.
"""

from collections.abc import Callable

from torch import Tensor

ITERATIONS = 8
RADIUS = 4
"""How many low-resolution pixels away each iteration looks: two to shrink, two to enlarge."""


def back_projected(
    sr: Tensor,
    lr: Tensor,
    shrink: Callable[[Tensor], Tensor],
    enlarge: Callable[[Tensor], Tensor],
) -> Tensor:
    """Add what is missing in a result until shrinking it gives the low-resolution image.

    Args:
        sr: (N, C, H, W) in [0, 1].
        lr: (N, C, h, w) in [0, 1], from which it was made.
        shrink: (N, C, H, W) -> (N, C, h, w).
        enlarge: (N, C, h, w) -> (N, C, H, W).

    Returns:
        (N, C, H, W) in [0, 1].
    """
    for _ in range(ITERATIONS):
        sr = (sr + enlarge(lr - shrink(sr))).clamp_(0, 1)
    return sr
