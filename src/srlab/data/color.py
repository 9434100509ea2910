"""RGB and the luma (Y) that most published numbers are computed on.

BT.601 in studio range: Y lies in [16, 235] / 255, Cb and Cr in [16, 240] / 255. Full-range luma
instead costs 1.32 dB of PSNR, so there is one conversion in srlab and it is this one.

Shapes: RGB and YCbCr images are (..., 3, H, W) in [0, 1], luma is (..., 1, H, W).
"""

import torch
from torch import Tensor

_TO_YCBCR = torch.tensor(
    [
        [65.481, 128.553, 24.966],
        [-37.797, -74.203, 112.0],
        [112.0, -93.786, -18.214],
    ],
    dtype=torch.float64,
)
_OFFSET = torch.tensor([16.0, 128.0, 128.0], dtype=torch.float64)
_TO_RGB = torch.linalg.inv(_TO_YCBCR)


def rgb_to_ycbcr(rgb: Tensor) -> Tensor:
    """(..., 3, H, W) RGB to (..., 3, H, W) YCbCr. Source: ITU-R BT.601, MATLAB's `rgb2ycbcr`."""
    matrix, offset = _TO_YCBCR.to(rgb) / 255, _OFFSET.to(rgb) / 255
    return torch.einsum("ij,...jhw->...ihw", matrix, rgb) + offset[:, None, None]


def ycbcr_to_rgb(ycbcr: Tensor) -> Tensor:
    """The inverse of `rgb_to_ycbcr`; the result may lie outside [0, 1]."""
    matrix, offset = _TO_RGB.to(ycbcr) * 255, _OFFSET.to(ycbcr) / 255
    return torch.einsum("ij,...jhw->...ihw", matrix, ycbcr - offset[:, None, None])


def luma(images: Tensor) -> Tensor:
    """(..., C, H, W) to (..., 1, H, W): the Y of RGB images; grey images stay as they are.

    A grey image's values are used in full range, not turned into luma: the published Set14 rows
    do this with its one grey image (bridge), where the conversion would add 1.32 dB.
    """
    if images.shape[-3] == 1:
        return images
    matrix, offset = _TO_YCBCR[0].to(images) / 255, _OFFSET[0].to(images) / 255
    return torch.einsum("j,...jhw->...hw", matrix, images)[..., None, :, :] + offset


def quantize(images: Tensor) -> Tensor:
    """Clip to [0, 1] and round to the nearest of 256 levels, as saving to 8 bit does."""
    return images.clamp(0, 1).mul(255).round().div(255)
