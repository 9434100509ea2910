"""The protocols that numbers are made by. A score without its protocol is no score.

All crop the high-resolution image to a multiple of the scale first, score each image, and average
over images.
"""

from dataclasses import dataclass, replace

from torch import Tensor

from srlab.data.color import luma, quantize
from srlab.data.jpeg import Jpeg
from srlab.data.kernels import Kernel
from srlab.data.resample import resample
from srlab.data.tensors import crop_to_multiple
from srlab.params import ProtocolName


@dataclass(frozen=True)
class Protocol:
    """How the low-resolution image is made, and what is compared."""

    degradation: Kernel
    """Shrinks the image."""
    kernel: Kernel
    """What the bicubic baseline enlarges with."""
    luma_first: bool
    """Turn the image into 8-bit luma before anything else."""
    round_lr: bool
    """Round the low-resolution image to 8 bits."""
    score_luma: bool
    """Compare luma instead of RGB."""
    shave: bool
    """Leave out a border of `scale` pixels."""
    jpeg: Jpeg | None = None
    """Save the low-resolution image as JPEG."""

    def pair(self, image: Tensor, scale: int) -> tuple[Tensor, Tensor]:
        """A benchmark image (1, C, H, W) -> (lr, hr) for this protocol, float64."""
        hr = crop_to_multiple(image.double(), scale)
        if self.luma_first:
            hr = quantize(luma(hr))
        lr = resample(hr, scale=1 / scale, kernel=self.degradation)
        if self.jpeg is not None:
            return self.jpeg.saved(lr), hr
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


def _luma_made_by(degradation: Kernel) -> Protocol:
    """`y` with another kernel in the place of MATLAB's bicubic."""
    return Protocol(
        degradation, "bicubic", luma_first=True, round_lr=False, score_luma=True, shave=True
    )


def _saved_as_jpeg(quality: int) -> Protocol:
    """`y_rgb8` of JPEG files."""
    return replace(_Y_RGB8, jpeg=Jpeg(quality))


_Y_RGB8 = Protocol(
    "bicubic", "bicubic", luma_first=False, round_lr=True, score_luma=True, shave=True
)

PROTOCOLS: dict[ProtocolName, Protocol] = {
    "y": _luma_made_by("bicubic"),
    "y_rgb8": _Y_RGB8,
    "paper": Protocol(
        "bicubic_aliased",
        "bicubic_aliased",
        luma_first=False,
        round_lr=True,
        score_luma=False,
        shave=False,
    ),
    "paper_antialiased": Protocol(
        "bicubic", "bicubic", luma_first=False, round_lr=True, score_luma=False, shave=False
    ),
    "y_bilinear": _luma_made_by("bilinear"),
    "y_box": _luma_made_by("box"),
    "y_lanczos": _luma_made_by("lanczos"),
    "y_nearest": _luma_made_by("nearest"),
    "y_bicubic_aliased": _luma_made_by("bicubic_aliased"),
    "y_rgb8_jpeg90": _saved_as_jpeg(90),
    "y_rgb8_jpeg75": _saved_as_jpeg(75),
    "y_rgb8_jpeg40": _saved_as_jpeg(40),
}
"""`y` as SRCNN, VDSR, MemNet; `y_rgb8` as SRResNet, EDSR; `paper` as the interpolations in Lal &
Javid's Table 1; `paper_antialiased` as the numbers of MemNet there let one guess.

`y_rgb8_jpeg90` and its like are `y_rgb8` of files as people have them, with colour at half of the
resolution.

The others are for the question of their section 7.2.3, what a network does with images that were
shrunk in another way than those it learnt from. The bicubic baseline enlarges with MATLAB's bicubic
kernel in all of them, as MemNet's input does: it does not know how the image was shrunk either.
`y_nearest` keeps the upper left pixel of each square, so its low-resolution image lies up to
(scale - 1) / 2 pixels beside the truth, and whoever does not undo that loses by it.
"""
