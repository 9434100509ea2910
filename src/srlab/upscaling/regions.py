"""A picture enlarged region by region: the network, then exact resampling, in any size.

Each region is computed from as much of the picture around it as all steps together look at, so the
result is that of the whole picture at once. Values are rounded once, at the end.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from srlab.errors import SrlabError
from srlab.inference.tile_size import LARGEST, bytes_per_pixel, fitting_tile
from srlab.inference.tiles import Region, spans, tiled
from srlab.inference.upscalers import Upscaler
from srlab.upscaling import consistency
from srlab.upscaling.ensemble import Ensemble
from srlab.upscaling.model import Model
from srlab.upscaling.window import Axis, resampled_part

_CPU_BYTES = 250e6
_CPU_TILE = 256
"""What a network may take and see at once on a CPU, where larger tiles save the overlap only."""
_CPU_OVERLAPS = 6
"""Where the overlap is wide, a tile may see more: of six overlaps, four ninths are its own."""
_SAMPLE = 96
"""Side of the image on which its memory is measured; pictures not much larger need no tiles."""

Progress = Callable[[int], None]
"""Called with the number of low-resolution pixels that were done since the last call."""


@dataclass(frozen=True)
class Options:
    """How a picture is enlarged."""

    ensemble: bool = False
    """Eight times, turned and mirrored, and averaged."""
    consistent: bool = False
    """Corrected until shrinking it gives the picture back."""
    tile: int | None = None
    """Pixels of a side of what the network sees at once; None: as memory allows."""


class Enlargement:
    """A picture on its way to a size.

    Args:
        pixels: uint8, uint16 or floating point in [0, 1], (H, W, C): 1 grey, 2 grey and alpha,
            3 RGB, 4 RGB and alpha. Of a memory map only what is needed is read.
        model: enlarges.
        size: (W, H) of the result.
        options: how.
        dtype: of the result; that of the pixels by default.

    Raises:
        SrlabError: the tile is too small for what is around it.
    """

    overlap: int
    """Pixels around a region that are looked at and thrown away."""
    tile: int
    """Pixels of a side of what is computed at once, overlap included."""

    def __init__(
        self,
        pixels: np.ndarray,
        model: Model,
        size: tuple[int, int],
        options: Options,
        dtype: np.dtype | None = None,
    ) -> None:
        self._pixels, self._model, self._size = pixels, model, size
        self._dtype = np.dtype(dtype or pixels.dtype)
        height, width, channels = pixels.shape
        self._colours = channels - (channels in (2, 4))
        self._axes = [Axis(height, size[1]), Axis(width, size[0])]
        self._factor = model.factor(max(size[0] / width, size[1] / height))
        self._consistent = options.consistent and size[0] >= width and size[1] >= height
        upscaler = model.upscaler
        self._upscaler: Upscaler = Ensemble(upscaler) if options.ensemble else upscaler
        self._radius = 0 if self._factor is None else model.radius(self._factor)
        # A network's result is resampled on a finer grid than its input, so it looks less far.
        self.overlap = self._radius + max(axis.radius() for axis in self._axes)
        if self._consistent:
            self.overlap += consistency.RADIUS * consistency.ITERATIONS
        self.tile = options.tile or self._fitting_tile(max(height, width))
        if self.tile <= 2 * self.overlap and self.tile < max(height, width):
            raise SrlabError(
                f"a tile of {self.tile} pixels has no room for {self.overlap} pixels of overlap on "
                f"both sides; make it larger than {2 * self.overlap}"
            )

    def bands(self, progress: Progress = lambda done: None) -> Iterator[np.ndarray]:
        """The enlarged picture from the top to the bottom: (any, W, C).

        Args:
            progress: see `Progress`.

        Raises:
            SrlabError: memory does not suffice.
        """
        height, width, channels = self._pixels.shape
        for top, bottom in spans(height, self.tile, self.overlap):
            first, last = self._span(0, top, bottom)
            band = np.empty((last - first, self._size[0], channels), self._dtype)
            for left, right in spans(width, self.tile, self.overlap):
                region = Region(top, bottom, left, right)
                columns = self._span(1, left, right)
                if first < last and columns[0] < columns[1]:
                    band[:, slice(*columns)] = self._enlarged(region)
                progress(region.pixels)
            if first < last:
                yield band

    def _span(self, axis: int, start: int, stop: int) -> tuple[int, int]:
        """The rows or columns of the result that belong to some of the picture."""
        return self._axes[axis].place(start), self._axes[axis].place(stop)

    @torch.inference_mode()
    def _enlarged(self, region: Region) -> np.ndarray:
        """(H', W', C): the region's part of the result."""
        height, width, _ = self._pixels.shape
        seen = region.grown(self.overlap, height, width)
        lr = _to_unit(self._pixels[seen.top : seen.bottom, seen.left : seen.right])
        wanted = self._span(0, region.top, region.bottom), self._span(1, region.left, region.right)
        colour = self._colour(lr[:, : self._colours], seen, wanted)
        parts = [colour]
        if lr.shape[1] > self._colours:
            alpha = lr[:, self._colours :]
            first = seen.top, seen.left
            parts.append(resampled_part(alpha, self._axes, first, wanted, self._model.kernel))
        return _from_unit(torch.cat(parts, dim=1), self._dtype)

    def _colour(self, lr: Tensor, seen: Region, wanted: tuple) -> Tensor:
        around = self._span(0, seen.top, seen.bottom), self._span(1, seen.left, seen.right)
        factor, kernel = self._factor, self._model.kernel
        # Back-projection works on all that is seen, and what is wrong at its rim is cut away.
        spans_ = around if self._consistent else wanted
        if factor is None:
            sr = resampled_part(lr, self._axes, (seen.top, seen.left), spans_, kernel)
        else:
            side = max(*lr.shape[-2:], 2 * self._radius + 1)
            enlarged = tiled(lambda x: self._upscaler(x, factor), lr, side, self._radius, factor)
            axes = [Axis(factor * axis.length, axis.size) for axis in self._axes]
            first = factor * seen.top, factor * seen.left
            sr = resampled_part(enlarged, axes, first, spans_, kernel)
        if not self._consistent:
            return sr
        back = [Axis(axis.size, axis.length) for axis in self._axes]
        rows, columns = (seen.top, seen.bottom), (seen.left, seen.right)
        corner = around[0][0], around[1][0]
        sr = consistency.back_projected(
            sr.clamp(0, 1),
            lr,
            lambda x: resampled_part(x, back, corner, (rows, columns), "bicubic"),
            lambda x: resampled_part(x, self._axes, (seen.top, seen.left), around, "bicubic"),
        )
        (top, bottom), (left, right) = (
            (start - edge, stop - edge) for (start, stop), edge in zip(wanted, corner, strict=True)
        )
        return sr[..., top:bottom, left:right]

    def _fitting_tile(self, side: int) -> int:
        least = max(4 * self.overlap, 64)
        if side <= max(_SAMPLE + 32, least):
            return max(side, 2 * self.overlap + 1)
        if self._factor is None:
            return max(LARGEST // 2, least)
        key = self._colours, self._factor
        known = self._model.bytes_per_pixel
        if key not in known:
            factor = self._factor
            sample = torch.rand(1, self._colours, _SAMPLE, _SAMPLE, device=self._model.device)
            known[key] = bytes_per_pixel(lambda x: self._upscaler(x, factor), sample)
        tile = fitting_tile(known[key], self.overlap, self._model.device)
        if self._model.device.type == "cpu":
            largest = max(_CPU_TILE, _CPU_OVERLAPS * self.overlap)
            tile = min(tile, math.isqrt(int(_CPU_BYTES / known[key])), largest)
        return max(tile, least)


def _to_unit(pixels: np.ndarray) -> Tensor:
    """(h, w, C) of any type -> (1, C, h, w) floating point in [0, 1]."""
    if not np.issubdtype(pixels.dtype, np.floating):
        # A memory map may have its bytes in the other order.
        pixels = pixels.astype(np.float32) / np.float32(np.iinfo(pixels.dtype).max)
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[None]


def _from_unit(image: Tensor, dtype: np.dtype) -> np.ndarray:
    """(1, C, h, w) -> (h, w, C) of a type, clipped, and rounded where it is of whole numbers."""
    values = image[0].clamp(0, 1)
    if not np.issubdtype(dtype, np.floating):
        values = values.mul(np.iinfo(dtype).max).round_()
    return values.permute(1, 2, 0).numpy().astype(dtype)
