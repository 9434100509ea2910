"""The bicubic image that a network adds to, in float32: an image has 8 bits, and bf16 has 8."""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn.functional import interpolate

_LARGEST_PRODUCT = 256
"""Side of an image up to which matrix products are the faster way: their cost grows with it."""


def enlarge(lr: Tensor, scale: int) -> Tensor:
    """Enlarge images as torch's `interpolate` does: a = -0.75, borders replicated.

    On a processor patches are enlarged by a matrix for each side, in a tenth of the time that
    `interpolate` takes. A GPU would round what is multiplied to TF32.

    Args:
        lr: (N, C, h, w), of any floating-point type.
        scale: s.

    Returns:
        float32 (N, C, s*h, s*w).
    """
    # Channel by channel: with channels last, a processor takes twice as long.
    lr = lr.float().contiguous()
    if lr.device.type != "cpu" or max(lr.shape[-2:]) > _LARGEST_PRODUCT:
        return interpolate(lr, scale_factor=scale, mode="bicubic", align_corners=False)
    with torch.autocast("cpu", enabled=False):
        rows, columns = (_taps(side, scale) for side in lr.shape[-2:])
        return rows @ lr @ columns.T


def let_compile() -> None:
    """Say to torch.compile what is constant here; to be called before it.

    Not a decorator: saying it loads the compiler, which takes longer than the rest of torch does.
    """
    torch.compiler.assume_constant_result(_taps)


def _taps(side: int, scale: int) -> Tensor:
    """(s*side, side): the weight of every pixel of a line in every pixel of the enlarged line."""
    return _kept_taps(side, scale)  # a compiler looks through the cache, but not through this


@lru_cache(maxsize=16)
@torch.inference_mode(False)  # else what validation asks for first could not be trained with
def _kept_taps(side: int, scale: int) -> Tensor:
    impulses = torch.eye(side)[None, None]
    taps = interpolate(impulses, size=(scale * side, side), mode="bicubic", align_corners=False)
    return taps[0, 0]
