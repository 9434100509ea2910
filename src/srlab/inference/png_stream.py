"""A PNG written row by row.

Pillow writes whole images only, and what is needed of the format is too small for one more
dependency: PNG specification, third edition, sections 5 (chunks), 9 (filtering) and 10
(compression).
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_GREY, _RGB = 0, 2
_PIECE = 2**18
"""Bytes that are filtered at once; in between they take ten times as much."""


def write_png_stream(file: BinaryIO, bands: Iterable[np.ndarray], shape: tuple[int, ...]) -> None:
    """Write an image of which some rows at a time are there.

    Args:
        file: open for writing; need not be seekable.
        bands: uint8 (any, W) or (any, W, 3), from the top to the bottom.
        shape: (H, W) or (H, W, 3) of the whole image.
    """
    height, width = shape[:2]
    channels = 1 if len(shape) == 2 else shape[2]
    colour = _GREY if channels == 1 else _RGB
    file.write(_SIGNATURE)
    _write_chunk(file, b"IHDR", struct.pack(">2I5B", width, height, 8, colour, 0, 0, 0))
    compressor = zlib.compressobj(level=6)
    above = np.zeros(width * channels, np.uint8)
    for rows in _pieces(bands, width * channels):
        filtered = _filtered(rows, np.vstack([above, rows[:-1]]), channels)
        above = rows[-1].copy()
        _write_chunk(file, b"IDAT", compressor.compress(filtered.data))
    _write_chunk(file, b"IDAT", compressor.flush())
    _write_chunk(file, b"IEND", b"")


def _pieces(bands: Iterable[np.ndarray], row: int) -> Iterator[np.ndarray]:
    """The same rows as uint8 (n, row), so few at a time that they stay in the cache."""
    count = max(1, _PIECE // row)
    for band in bands:
        rows = band.reshape(len(band), row)
        for start in range(0, len(rows), count):
            yield rows[start : start + count]


def _filtered(rows: np.ndarray, above: np.ndarray, channels: int) -> np.ndarray:
    """uint8 (n, W*C) -> uint8 (n, 1 + W*C): each row behind its filter's number.

    Of the filters Sub, Up and Paeth that one is taken whose differences are smallest in sum
    (section 12.7).
    """
    left, corner = (_shifted(values, channels) for values in (rows, above))
    result = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    best: np.ndarray | None = None
    for number, predicted in ((1, left), (2, above), (4, _paeth(left, above, corner))):
        difference = rows - predicted  # modulo 256
        sums = np.abs(difference.view(np.int8)).view(np.uint8).sum(axis=1, dtype=np.int64)
        better = np.ones(len(rows), bool) if best is None else sums < best
        result[better, 0] = number
        result[better, 1:] = difference[better]
        best = sums if best is None else np.minimum(best, sums)
    return result


def _paeth(left: np.ndarray, above: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Which of three neighbours is nearest to left + above - corner (section 9.4)."""
    a, b, c = (values.astype(np.int16) for values in (left, above, corner))
    to_left, to_above, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest = np.where(to_above <= to_corner, above, corner)
    return np.where((to_left <= to_above) & (to_left <= to_corner), left, nearest)


def _shifted(values: np.ndarray, channels: int) -> np.ndarray:
    """The pixel to the left of each; zero at the border."""
    result = np.zeros_like(values)
    result[:, channels:] = values[:, :-channels]
    return result


def _write_chunk(file: BinaryIO, kind: bytes, data: bytes) -> None:
    checksum = zlib.crc32(data, zlib.crc32(kind))
    file.write(struct.pack(">I", len(data)) + kind)
    file.write(data)
    file.write(struct.pack(">I", checksum))
