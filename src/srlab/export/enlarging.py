"""Bicubic enlarging by a whole factor as a convolution, for graphs that take images of any size.

`srlab.data.resample` looks up the inputs of each output, for which it must know the size. Enlarging
by a whole factor does the same around each pixel, so a convolution gives the s x s results of each.
"""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pixel_shuffle

from srlab.data.resample import resample
from srlab.inference.batch_norm import frozen

_RADIUS = 2
"""How many pixels away a bicubic kernel looks that enlarges."""


class Enlarging(nn.Module):
    """RGB (N, 3, h, w) -> (N, 3, s*h, s*w), as `resample` gives with the same scale and kernel.

    Args:
        scale: s.
        kernel: decides what lies beyond the border, too: bicubic mirrors, bicubic_aliased repeats.
    """

    def __init__(self, scale: int, kernel: Literal["bicubic", "bicubic_aliased"]) -> None:
        super().__init__()
        self.scale = scale
        self._extended = _mirrored if kernel == "bicubic" else _repeated
        taps = _taps(scale, kernel)
        size = 2 * _RADIUS + 1
        weight = torch.einsum("pi,qj->pqij", taps, taps).reshape(scale**2, 1, size, size)
        self.weight = frozen(weight.float().repeat(3, 1, 1, 1))

    def forward(self, lr: Tensor) -> Tensor:
        rows = self._extended(lr)
        extended = self._extended(rows.transpose(-2, -1)).transpose(-2, -1)
        results = conv2d(extended, self.weight, groups=3)  # (N, 3*s*s, h, w)
        return pixel_shuffle(results, self.scale)


def _taps(scale: int, kernel: Literal["bicubic", "bicubic_aliased"]) -> Tensor:
    """(s, 5): the weights that each result of a pixel gives to the pixels around it.

    Read off `resample`: what it makes of a line that is dark but for one pixel.
    """
    middle = 2 * _RADIUS
    lines = torch.eye(2 * middle + 1, dtype=torch.float64)[:, None, :]
    enlarged = resample(lines, scale=scale, size=(1, scale * lines.shape[-1]), kernel=kernel)
    around = enlarged[middle - _RADIUS : middle + _RADIUS + 1, 0]
    return around[:, scale * middle : scale * (middle + 1)].T


def _repeated(lines: Tensor) -> Tensor:
    """(..., W) -> (..., W + 4): the first and the last pixel go on."""
    first, last = lines[..., :1], lines[..., -1:]
    return torch.cat([first, first, lines, last, last], dim=-1)


def _mirrored(lines: Tensor) -> Tensor:
    """(..., W) -> (..., W + 4): the line goes on backwards, from its end; also where W is 1."""
    once = torch.cat([lines[..., :1], lines, lines[..., -1:]], dim=-1)
    return torch.cat([once[..., 2:3], once, once[..., -3:-2]], dim=-1)
