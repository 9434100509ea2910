"""An image in tiles, exactly as the whole image.

Each tile is computed with some of the image around it, of which the result is thrown away. With as
much around it as the network looks away (`srlab.inference.receptive`) a tile's result is that of
the whole image, so nothing needs to be blended.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from srlab.errors import SrlabError
from srlab.inference.memory import is_out_of_memory, release

Network = Callable[[Tensor], Tensor]
"""(N, C, h, w) -> (N, C', s*h, s*w)."""


@dataclass(frozen=True)
class Region:
    """A rectangle of an image: rows from `top` to before `bottom`, columns likewise."""

    top: int
    bottom: int
    left: int
    right: int

    def halves(self) -> list["Region"]:
        """Four quarters, or two halves of a single row or column."""
        row, column = (self.top + self.bottom) // 2, (self.left + self.right) // 2
        parts = [
            Region(top, bottom, left, right)
            for top, bottom in ((self.top, row), (row, self.bottom))
            for left, right in ((self.left, column), (column, self.right))
        ]
        return [part for part in parts if part.pixels]

    def grown(self, overlap: int, height: int, width: int) -> "Region":
        """With the pixels around it, as far as the image goes."""
        return Region(
            max(self.top - overlap, 0),
            min(self.bottom + overlap, height),
            max(self.left - overlap, 0),
            min(self.right + overlap, width),
        )

    @property
    def pixels(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)


@torch.no_grad()
def tiled(network: Network, images: Tensor, tile: int, overlap: int, scale: int = 1) -> Tensor:
    """What a network gives for whole images, computed piece by piece.

    A tile for which memory does not suffice is cut into four and done again, and so are later tiles
    that are as large. Every other error goes to the caller.

    Args:
        network: gives images that are `scale` times as large. Where it computes on another device
            than `images` is on, it moves a piece there itself.
        images: (N, C, h, w).
        tile: pixels of a side of what the network sees at once, overlap included.
        overlap: pixels around a tile that are computed and thrown away. From the network's radius
            on the result is exact.
        scale: s.

    Returns:
        (N, C', s*h, s*w) of the type that the network gives, where `images` is.

    Raises:
        SrlabError: the tile is not larger than its overlaps, or memory does not suffice for a
            single pixel and what is around it.
    """
    if overlap < 0 or tile <= 2 * overlap:
        raise SrlabError(
            f"a tile of {tile} pixels has no room for {overlap} pixels of overlap on both sides; "
            f"make it larger than {2 * overlap}"
        )
    height, width = images.shape[-2:]
    waiting = [
        Region(top, bottom, left, right)
        for top, bottom in spans(height, tile, overlap)
        for left, right in spans(width, tile, overlap)
    ][::-1]
    result: Tensor | None = None
    too_large: int | None = None
    while waiting:
        region = waiting.pop()
        seen = region.grown(overlap, height, width)
        if too_large is not None and seen.pixels >= too_large and region.pixels > 1:
            waiting += region.halves()[::-1]
            continue
        piece = attempt(network, images, region, seen, scale)
        if piece is None:
            if region.pixels == 1:
                raise SrlabError(
                    f"memory does not suffice for {seen.right - seen.left}x"
                    f"{seen.bottom - seen.top} pixels, the smallest tile with an overlap of "
                    f"{overlap}; use a smaller network, bf16 or a smaller overlap"
                )
            too_large = seen.pixels
            waiting += region.halves()[::-1]
            continue
        if result is None:
            shape = (*piece.shape[:2], scale * height, scale * width)
            result = images.new_empty(shape, dtype=piece.dtype)
        place(piece, result, region, scale)
    assert result is not None
    return result


def attempt(
    network: Network, images: Tensor, region: Region, seen: Region, scale: int
) -> Tensor | None:
    """A region's result (N, C', s*h, s*w), computed from what is seen; None where memory ran out.

    Raises:
        Exception: whatever else the network raises.
    """
    try:
        piece = network(images[..., seen.top : seen.bottom, seen.left : seen.right])
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
    else:
        return cut(piece, region, seen, scale)
    # Not in the handler: there the error would still hold what the network had computed.
    release()
    return None


def cut(piece: Tensor, region: Region, seen: Region, scale: int) -> Tensor:
    """A region's part of the result for what was seen."""
    top, left = scale * (region.top - seen.top), scale * (region.left - seen.left)
    bottom, right = scale * (region.bottom - seen.top), scale * (region.right - seen.left)
    return piece[..., top:bottom, left:right]


def place(piece: Tensor, result: Tensor, region: Region, scale: int) -> None:
    """Write a region's result into the whole one."""
    rows = slice(scale * region.top, scale * region.bottom)
    columns = slice(scale * region.left, scale * region.right)
    result[..., rows, columns] = piece.to(result)


def spans(length: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """Cut a side into parts, nearly equal, that with their overlaps are at most a tile long.

    >>> spans(10, 6, 1)
    [(0, 5), (5, 10)]

    Args:
        length: of the side, in pixels.
        tile, overlap: as in `tiled`; the ends of the side need no overlap.
    """
    if length <= tile:
        return [(0, length)]
    inner = length - 2 * overlap
    count = -(-inner // (tile - 2 * overlap))
    cuts = [0, *(overlap + inner * index // count for index in range(1, count)), length]
    return list(itertools.pairwise(cuts))
