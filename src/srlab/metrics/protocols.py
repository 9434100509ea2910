"""The protocols that numbers are made by. A score without its protocol is no score.

All crop the high-resolution image to a multiple of the scale first, score each image, and average
over images.
"""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from srlab.data.color import luma, quantize
from srlab.data.images import crop_to_multiple
from srlab.data.kernels import Kernel
from srlab.data.resample import resample


@dataclass(frozen=True)
class Protocol:
    """How the low-resolution image is made, and what is compared."""

    kernel: Kernel
    """Shrinks the image; also what the bicubic baseline enlarges with."""
    luma_first: bool
    """Turn the image into 8-bit luma before anything else."""
    round_lr: bool
    """Round the low-resolution image to 8 bits."""
    score_luma: bool
    """Compare luma instead of RGB."""
    shave: bool
    """Leave out a border of `scale` pixels."""

    def pair(self, image: Tensor, scale: int) -> tuple[Tensor, Tensor]:
        """A benchmark image (1, C, H, W) -> (lr, hr) for this protocol, float64."""
        hr = crop_to_multiple(image.double(), scale)
        if self.luma_first:
            hr = quantize(luma(hr))
        lr = resample(hr, scale=1 / scale, kernel=self.kernel)
        return (quantize(lr) if self.round_lr else lr), hr

    def comparable(self, image: Tensor, scale: int) -> Tensor:
        """What of an sr or hr image (1, C, H, W) is compared.

        The image is rounded to 8 bits, as a saved result would be. A grey image is compared on
        its grey values in full range: see `srlab.data.color.luma`.
        """
        image = quantize(image.double())
        if self.score_luma:
            image = luma(image)
        return image[..., scale:-scale, scale:-scale] if self.shave else image


ProtocolName = Literal["y", "y_rgb8", "paper"]

PROTOCOLS: dict[ProtocolName, Protocol] = {
    "y": Protocol("bicubic", luma_first=True, round_lr=False, score_luma=True, shave=True),
    "y_rgb8": Protocol("bicubic", luma_first=False, round_lr=True, score_luma=True, shave=True),
    "paper": Protocol(
        "bicubic_aliased", luma_first=False, round_lr=True, score_luma=False, shave=False
    ),
}
"""`y` as SRCNN, VDSR, MemNet; `y_rgb8` as SRResNet, EDSR; `paper` as Lal & Javid's Table 1."""
