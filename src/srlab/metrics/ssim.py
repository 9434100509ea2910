"""Structural similarity."""

import torch
from torch import Tensor

_WINDOW = 11
_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2


def ssim(sr: Tensor, hr: Tensor) -> Tensor:
    """SSIM of images in [0, 1], one value per image, mean over channels and the valid region.

    Args:
        sr, hr: (N, C, H, W).

    Returns:
        (N,) float64; not a number where an image is smaller than the 11x11 window.

    Source: Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural
    Similarity", equation 13, with the authors' Gaussian window (11x11, sigma 1.5).
    """
    count, channels, height, width = sr.shape
    if min(height, width) < _WINDOW:
        return torch.full((count,), torch.nan, dtype=torch.float64)
    planes = (count * channels, 1, height, width)
    x, y = sr.double().reshape(planes), hr.double().reshape(planes)
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x = _blur(x * x) - mean_x**2
    variance_y = _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x**2 + mean_y**2 + _C1)
    structure = (2 * covariance + _C2) / (variance_x + variance_y + _C2)
    return (luminance * structure).reshape(count, -1).mean(dim=1)


def _blur(planes: Tensor) -> Tensor:
    """Gaussian means (..., H - 10, W - 10) of (..., H, W)."""
    # A sum of shifted images along each axis: torch's convolution takes seven times as long in
    # float64.
    offsets = torch.arange(_WINDOW, dtype=torch.float64) - _WINDOW // 2
    gaussian = torch.exp(-(offsets**2) / (2 * _SIGMA**2))
    weights = (gaussian / gaussian.sum()).tolist()
    for axis in (2, 3):
        size = planes.shape[axis] - _WINDOW + 1
        total = planes.narrow(axis, 0, size) * weights[0]
        for shift, weight in enumerate(weights[1:], start=1):
            total.add_(planes.narrow(axis, shift, size), alpha=weight)
        planes = total
    return planes
