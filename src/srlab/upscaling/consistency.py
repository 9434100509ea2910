"""Back-projection: a result that, shrunk, is the image it was made from.

Source: Irani & Peleg 1991, "Improving Resolution by Image Registration", section 3; Timofte et al.
2016, "Seven ways to improve example-based single image super resolution", section 3.4.
"""

from collections.abc import Callable

from torch import Tensor

from srlab.data.kernels import Kernel
from srlab.data.resample import resample
from srlab.inference.upscalers import Upscaler

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


class Consistent:
    """An upscaler whose result, shrunk, is the image that it was given.

    Args:
        upscaler: does the work; what is missing in its result is added.
        kernel: that shrinks.
    """

    def __init__(self, upscaler: Upscaler, kernel: Kernel) -> None:
        self._upscaler = upscaler
        self._kernel = kernel
        self.takes_luma = upscaler.takes_luma
        self.scales = upscaler.scales

    def __call__(self, lr: Tensor, scale: int) -> Tensor:
        return back_projected(
            self._upscaler(lr, scale),
            lr,
            lambda sr: resample(sr, scale=1 / scale, kernel=self._kernel),
            lambda missing: resample(missing, scale=scale),
        )
