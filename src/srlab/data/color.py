"""RGB and the luma (Y) that most published numbers are computed on.

BT.601 in studio range: Y lies in [16, 235] / 255, Cb and Cr in [16, 240] / 255. Full-range luma
instead costs 1.32 dB of PSNR, so there is one conversion in srlab and it is this one.

Shapes: RGB and YCbCr images are (..., 3, H, W) in [0, 1], luma is (..., 1, H, W).

Channels are weighed and added one after the other, not by a matrix product, whose last bits depend
on the processor: so the patches of one machine are those of another, and DVC's cache serves both.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

_MATRIX = [[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]
_TO_YCBCR = [[weight / 255 for weight in row] for row in _MATRIX]
_OFFSET = [level / 255 for level in (16.0, 128.0, 128.0)]
_TO_RGB: list[list[float]] = torch.linalg.inv(torch.tensor(_TO_YCBCR, dtype=torch.float64)).tolist()


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """(..., 3, H, W) RGB to (..., 3, H, W) YCbCr. Source: ITU-R BT.601, MATLAB's `rgb2ycbcr`."""
    rows = zip(_TO_YCBCR, _OFFSET, strict=True)
    return torch.cat([_weighed(rgb, row) + offset for row, offset in rows], dim=-3)


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """The inverse of `rgb_to_ycbcr`; the result may lie outside [0, 1]."""
    centred = ycbcr - ycbcr.new_tensor(_OFFSET)[:, None, None]
    return torch.cat([_weighed(centred, row) for row in _TO_RGB], dim=-3)


def luma(images: Tensor) -> Tensor:
    """(..., C, H, W) to (..., 1, H, W): the Y of RGB images; grey images stay as they are.

    A grey image's values are used in full range, not turned into luma: the published Set14 rows
    do this with its one grey image (bridge), where the conversion would add 1.32 dB.
    """
    if images.shape[-3] == 1:
        return images
    return _weighed(images, _TO_YCBCR[0]) + _OFFSET[0]


def quantize(images: Tensor) -> Tensor:
    """Clip to [0, 1] and round to the nearest of 256 levels, as saving to 8 bit does."""
    return images.clamp(0, 1).mul(255).round().div(255)


def _weighed(images: Tensor, weights: Sequence[float]) -> Tensor:
    """The weighted sum of the channels, (..., 3, H, W) to (..., 1, H, W)."""
    red, green, blue = images.split(1, dim=-3)
    return red * weights[0] + green * weights[1] + blue * weights[2]
