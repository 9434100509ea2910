"""Image resampling with named kernels, on tensors.

The kernels called as in MATLAB follow `imresize`: when shrinking, the kernel is stretched by the
factor (antialiasing), and the image is mirrored at its borders. `bicubic_aliased` is what OpenCV
and `torch.nn.functional.interpolate` do: a = -0.75, never stretched, borders replicated.

Shapes: images are (N, C, H, W) or any (..., H, W), floating point, on any device.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from torch import Tensor

from srlab.data.kernels import Kernel


def _cubic(a: float) -> Callable[[Tensor], Tensor]:
    """Keys' cubic convolution kernel (Keys 1981, equation 4, with a free)."""

    def weight(x: Tensor) -> Tensor:
        x = x.abs()
        near = (a + 2) * x**3 - (a + 3) * x**2 + 1
        far = a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
        return torch.where(x <= 1, near, torch.where(x < 2, far, torch.zeros_like(x)))

    return weight


def _triangle(x: Tensor) -> Tensor:
    return (1 - x.abs()).clamp(min=0)


def _box(x: Tensor) -> Tensor:
    return ((x >= -0.5) & (x < 0.5)).to(x.dtype)


def _lanczos(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 3, torch.sinc(x) * torch.sinc(x / 3), torch.zeros_like(x))


@dataclass(frozen=True)
class _Filter:
    weight: Callable[[Tensor], Tensor]
    width: float
    antialias: bool = True
    border: Literal["mirror", "replicate"] = "mirror"


_FILTERS: dict[Kernel, _Filter] = {
    "bicubic": _Filter(_cubic(-0.5), 4),
    "bicubic_aliased": _Filter(_cubic(-0.75), 4, antialias=False, border="replicate"),
    "bilinear": _Filter(_triangle, 2),
    "box": _Filter(_box, 1),
    "lanczos": _Filter(_lanczos, 6),
}


def resample(
    images: Tensor,
    *,
    scale: float | None = None,
    size: tuple[int, int] | None = None,
    kernel: Kernel = "bicubic",
) -> Tensor:
    """Resample images by a factor, to a size, or by a factor and then to a size.

    Args:
        images: (..., H, W), floating point.
        scale: the factor; the output is (ceil(scale * H), ceil(scale * W)) as in MATLAB. The
            factor positions the samples, so that pixels stay aligned at the upper left corner
            whatever H and W are.
        size: the output's (H, W). With `scale` it only cuts or extends the output; alone it also
            sets the factor, separately for each axis.
        kernel: one of `srlab.data.kernels.KERNELS`.

    Returns:
        (..., H', W') of the same type and device. Values may overshoot the input's range.

    Raises:
        ValueError: neither factor nor size is given, a factor is not positive, the images are
            empty or of an integer type.

    Source: MATLAB's `imresize` as documented by MathWorks; sample positions as in its
    `contributions` function, u = x / scale + (1 - 1 / scale) / 2 with x counted from 1.
    """
    if scale is None and size is None:
        raise ValueError("resample needs a scale or a size")
    if scale is not None and not scale > 0:
        raise ValueError(f"scale must be positive, not {scale}")
    if not images.is_floating_point():
        raise ValueError(f"images must be floating point in [0, 1], not {images.dtype}")
    height, width = images.shape[-2:]
    if height == 0 or width == 0:
        raise ValueError(f"an image of {width}x{height} pixels cannot be resampled")
    factors = (scale, scale) if scale is not None else (size[0] / height, size[1] / width)  # type: ignore[index]
    sizes = size or (resampled_size(height, factors[0]), resampled_size(width, factors[1]))
    # The axis that shrinks most goes first, so that the second pass touches the fewest pixels.
    for axis in sorted((-2, -1), key=lambda axis: factors[axis + 2]):
        images = _resample_axis(images, axis, factors[axis + 2], sizes[axis + 2], kernel)
    return images


def resampled_size(side: int, scale: float) -> int:
    """Pixels that a side of an image has after resampling by a factor, as in MATLAB.

    >>> resampled_size(255, 1 / 3)
    85
    """
    # The tolerance keeps 1/3 * 255 from becoming 86 pixels through rounding.
    return math.ceil(side * scale - 1e-9)


def _resample_axis(images: Tensor, axis: int, scale: float, size: int, kernel: Kernel) -> Tensor:
    if scale == 1 and size == images.shape[axis]:
        return images
    indices, weights = resampling_taps(images.shape[axis], scale, size, kernel)
    return gather(images, axis, indices, weights)


def gather(images: Tensor, axis: int, indices: Tensor, weights: Tensor) -> Tensor:
    """Rows or columns, each the weighted sum of some of an image's.

    Args:
        images: (..., H, W).
        axis: -2 for rows, -1 for columns.
        indices, weights: (size, taps), see `resampling_taps`.

    Returns:
        (..., size, W) or (..., H, size).
    """
    indices, weights = indices.to(images.device), weights.to(images)
    # Whole rows are gathered, columns as the rows of the transposed image: to gather value by
    # value along a row takes twice to four times as long.
    rows = images if axis == -2 else images.transpose(-1, -2).contiguous()
    # Tap by tap: the working memory is one output image, not one per tap.
    result: Tensor | None = None
    for tap in range(indices.shape[1]):
        term = rows.index_select(-2, indices[:, tap]).mul_(weights[:, tap, None])
        result = term if result is None else result.add_(term)
    assert result is not None
    return result if axis == -2 else result.transpose(-1, -2).contiguous()


@lru_cache(maxsize=256)
@torch.inference_mode(False)  # else what inference asks for first could not be differentiated
def resampling_taps(length: int, scale: float, size: int, kernel: Kernel) -> tuple[Tensor, Tensor]:
    """What each output is made of: input indices (size, taps) and their weights (size, taps).

    Args:
        length: of the input, along one axis.
        scale: output pixels for each input pixel.
        size: of the output.
        kernel: see `srlab.data.kernels`.
    """
    output = torch.arange(size, dtype=torch.float64)
    if kernel == "nearest":
        # floor, as OpenCV and torch do; the small term keeps whole numbers whole.
        source = torch.floor(output / scale + 1e-9).long().clamp(max=length - 1)
        return source[:, None], torch.ones(size, 1, dtype=torch.float64)
    filter = _FILTERS[kernel]
    stretch = min(scale, 1.0) if filter.antialias else 1.0
    width = filter.width / stretch
    center = (output + 0.5) / scale - 0.5
    taps = math.ceil(width) + 2
    first = torch.floor(center - width / 2)
    indices = first[:, None] + torch.arange(taps)
    weights = filter.weight((center[:, None] - indices) * stretch)
    weights = weights / weights.sum(dim=1, keepdim=True)
    used = weights.abs().amax(dim=0) > 0
    indices, weights = indices[:, used].long(), weights[:, used]
    if filter.border == "mirror":
        indices = indices.remainder(2 * length)
        indices = torch.where(indices < length, indices, 2 * length - 1 - indices)
    else:
        indices = indices.clamp(0, length - 1)
    return indices, weights
