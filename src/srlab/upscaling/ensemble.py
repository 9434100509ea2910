"""Self-ensemble: the mean over the eight ways to turn and mirror an image.

Source: Timofte, Rothe, Van Gool 2016, "Seven ways to improve example-based single image super
resolution", section 3.5; Lim et al. 2017, "Enhanced Deep Residual Networks", section 3.4.
"""

from itertools import product

from torch import Tensor

from srlab.inference.upscalers import Upscaler


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
        for transposed, *mirrored in product((False, True), repeat=3):
            dims = [dim for dim, flip in zip((-2, -1), mirrored, strict=True) if flip]
            seen = lr.flip(dims)
            sr = self._upscaler(seen.transpose(-2, -1) if transposed else seen, scale)
            sr = (sr.transpose(-2, -1) if transposed else sr).flip(dims)
            total = sr if total is None else total + sr
        assert total is not None
        return total / 8
