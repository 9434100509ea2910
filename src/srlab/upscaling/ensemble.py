"""Self-ensemble: the mean over the eight ways to turn and mirror an image.

Source: Timofte, Rothe, Van Gool 2016, "Seven ways to improve example-based single image super
resolution", section 3.5; Lim et al. 2017, "Enhanced Deep Residual Networks", section 3.4.
"""

from torch import Tensor

from srlab.inference.upscalers import Upscaler
from srlab.symmetries import SYMMETRIES, transform, undo


class Ensemble:
    """An upscaler whose result does not depend on how the image is turned or mirrored.

    Args:
        upscaler: does the work, eight times.
    """

    def __init__(self, upscaler: Upscaler) -> None:
        self._upscaler = upscaler
        self.takes_luma = upscaler.takes_luma
        self.scales = upscaler.scales

    def __call__(self, lr: Tensor, scale: int) -> Tensor:
        total: Tensor | None = None
        for symmetry in SYMMETRIES:
            sr = undo(self._upscaler(transform(lr, symmetry), scale), symmetry)
            total = sr if total is None else total + sr
        assert total is not None
        return total / len(SYMMETRIES)
