"""A TIFF written row by row: tifffile takes an iterator of compressed strips.

Source: TIFF 6.0, section 14 (differencing predictor), and TIFF Technical Note 3 (deflate).
"""

import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np
import tifffile

_STRIP = 64
"""Rows of a strip."""

_CLASSIC = 2**32 - 2**25
"""Bytes of pixels from which on BigTIFF is written, as tifffile decides for whole images."""


def write_tiff_stream(file: BinaryIO, bands: Iterable[np.ndarray], shape: tuple[int, ...]) -> None:
    """Write an image of which some rows at a time are there, compressed without loss (deflate).

    Args:
        file: open for writing, seekable.
        bands: uint8 (any, W) or (any, W, 3), from the top to the bottom.
        shape: (H, W) or (H, W, 3) of the whole image.
    """
    with tifffile.TiffWriter(file, bigtiff=int(np.prod(shape)) >= _CLASSIC) as writer:
        writer.write(
            (_compressed(strip) for strip in _strips(bands)),
            shape=shape,
            dtype=np.uint8,
            photometric="minisblack" if len(shape) == 2 else "rgb",
            rowsperstrip=min(_STRIP, shape[0]),
            compression="zlib",
            predictor=True,
            metadata=None,
        )


def _compressed(strip: np.ndarray) -> bytes:
    differences = strip.copy()
    differences[:, 1:] -= strip[:, :-1]  # modulo 256
    return zlib.compress(differences.data, level=6)


def _strips(bands: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same rows, so many at a time as a strip has."""
    waiting: list[np.ndarray] = []
    for band in bands:
        waiting.append(band)
        if sum(map(len, waiting)) < _STRIP:
            continue
        rows = np.concatenate(waiting)
        whole = len(rows) - len(rows) % _STRIP
        for start in range(0, whole, _STRIP):
            yield rows[start : start + _STRIP]
        waiting = [rows[whole:]]
    if rest := [rows for rows in waiting if len(rows)]:
        yield np.concatenate(rest)
