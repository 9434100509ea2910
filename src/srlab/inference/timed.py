"""How fast an upscaler is."""

import time

from torch import Tensor

from srlab.inference.upscalers import Upscaler


class TimedUpscaler:
    """An upscaler that counts images and seconds.

    Args:
        upscaler: does the work; its results are on the CPU or waited for, as all of srlab's are.
    """

    def __init__(self, upscaler: Upscaler) -> None:
        self._upscaler = upscaler
        self._images = 0
        self._pixels = 0
        self._seconds = 0.0
        self.takes_luma = upscaler.takes_luma
        self.scales = upscaler.scales

    def __call__(self, lr: Tensor, scale: int) -> Tensor:
        start = time.perf_counter()
        sr = self._upscaler(lr, scale)
        self._seconds += time.perf_counter() - start
        self._images += len(sr)
        self._pixels += len(sr) * sr.shape[-2] * sr.shape[-1]
        return sr

    def rates(self) -> dict[str, float]:
        """Images, and millions of pixels of the enlarged images, per second of enlarging."""
        seconds = max(self._seconds, 1e-9)
        return {
            "images_per_second": round(self._images / seconds, 2),
            "megapixels_per_second": round(self._pixels / seconds / 1e6, 3),
        }
