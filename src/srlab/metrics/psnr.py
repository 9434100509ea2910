"""Peak signal-to-noise ratio."""

import torch
from torch import Tensor


def psnr(sr: Tensor, hr: Tensor) -> Tensor:
    """PSNR in dB of images in [0, 1], one value per image.

    psnr = -10 log10(mean((sr - hr)^2)), the mean over C, H and W of each image.

    Args:
        sr, hr: (N, C, H, W).

    Returns:
        (N,) float64; infinite where the images are equal.

    >>> psnr(torch.zeros(1, 1, 2, 2), torch.full((1, 1, 2, 2), 0.1)).round(decimals=3)
    tensor([20.], dtype=torch.float64)
    """
    error = (sr.double() - hr.double()).square().mean(dim=(1, 2, 3))
    return -10 * torch.log10(error)
