"""Enlarging image files band by band: the memory that it takes does not grow with their height."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from torch import Tensor

from srlab.data.images import to_tensor
from srlab.errors import SrlabError
from srlab.inference.png_stream import write_png_stream
from srlab.inference.rows import Rows, open_rows
from srlab.inference.tiff_stream import write_tiff_stream
from srlab.inference.tiles import spans, tiled
from srlab.inference.upscalers import Upscaler

Writer = Callable[[BinaryIO, Iterable[np.ndarray], tuple[int, ...]], None]

WRITERS: dict[str, Writer] = {
    ".png": write_png_stream,
    ".tif": write_tiff_stream,
    ".tiff": write_tiff_stream,
}
"""What can be written band by band, by the file's suffix."""


def enlarge_file(
    source: Path, target: Path, upscaler: Upscaler, scale: int, *, tile: int, overlap: int
) -> None:
    """Enlarge an image of any size.

    The target appears under its name when it is complete; what was there before stays until then.

    Args:
        source: an 8-bit image.
        target: a `.png`, `.tif` or `.tiff`.
        upscaler: what enlarges.
        scale: s.
        tile, overlap: low-resolution pixels, as in `srlab.inference.tiles.tiled`. With the radius
            of `srlab.inference.receptive` as overlap the result is that of the whole image at once.

    Raises:
        SrlabError: the source does not decode, the target is of another type or cannot be written,
            the tile is too small, or memory does not suffice.
    """
    write = WRITERS.get(target.suffix.lower())
    if write is None:
        raise SrlabError(
            f"{target}: cannot be written piece by piece; name it {' or '.join(WRITERS)}"
        )
    partial = target.with_name(target.name + ".partial")
    try:
        with open_rows(source) as rows, _opened(partial) as file:
            height, width = rows.shape[:2]
            shape = (scale * height, scale * width, *rows.shape[2:])
            write(file, enlarged_bands(rows, upscaler, scale, tile=tile, overlap=overlap), shape)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def enlarged_bands(
    rows: Rows, upscaler: Upscaler, scale: int, *, tile: int, overlap: int
) -> Iterator[np.ndarray]:
    """The enlarged image from the top to the bottom: uint8 (any, s*W) or (any, s*W, 3).

    Args:
        rows: the low-resolution image.
        upscaler, scale, tile, overlap: as in `enlarge_file`.

    Raises:
        SrlabError: the tile is too small, or memory does not suffice.
    """

    def enlarge(lr: Tensor) -> Tensor:
        # To bytes tile by tile: a whole band takes a quarter of what it would as float32.
        return upscaler(lr, scale).clamp(0, 1).mul_(255).round_().byte()

    height = rows.shape[0]
    for top, bottom in spans(height, tile, overlap):
        first, last = max(top - overlap, 0), min(bottom + overlap, height)
        lr = to_tensor(rows.read(first, last))
        sr = tiled(enlarge, lr, tile, overlap, scale)
        band = sr[0, :, scale * (top - first) : scale * (bottom - first)].permute(1, 2, 0).numpy()
        yield np.ascontiguousarray(band[..., 0] if lr.shape[1] == 1 else band)


def _opened(partial: Path) -> BinaryIO:
    try:
        return partial.open("wb")
    except OSError as error:
        raise SrlabError(
            f"{partial}: cannot be written ({error.strerror}); choose another place"
        ) from None
