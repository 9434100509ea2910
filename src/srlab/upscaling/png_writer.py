"""A PNG written row by row, of 8 or 16 bits per channel.

Pillow writes whole images only, and none of 16 bits but grey ones: PNG specification, third
edition, sections 5 (chunks), 9 (filtering), 10 (compression) and 11 (what the chunks hold).
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import numpy as np

from srlab.upscaling.picture import Metadata
from srlab.upscaling.png_chunks import SIGNATURE, write_chunk

_COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""By the number of channels."""
_PIECE = 2**18
"""Bytes that are filtered at once; in between they take ten times as much."""


def write_png(
    file: BinaryIO,
    bands: Iterable[np.ndarray],
    shape: tuple[int, int, int],
    dtype: np.dtype,
    metadata: Metadata,
) -> None:
    """Write an image of which some rows at a time are there.

    Args:
        file: open for writing; need not be seekable.
        bands: (any, W, C) of the type, from the top to the bottom.
        shape: (H, W, C) of the whole image, C from 1 to 4.
        dtype: uint8 or uint16.
        metadata: of the whole image.
    """
    height, width, channels = shape
    file.write(SIGNATURE)
    kind = _COLOUR_TYPES[channels]
    head = struct.pack(">2I5B", width, height, 8 * dtype.itemsize, kind, 0, 0, 0)
    write_chunk(file, b"IHDR", head)
    for name, data in _metadata_chunks(metadata):
        write_chunk(file, name, data)
    pixel = channels * dtype.itemsize
    # Differences of neighbours hold hardly any longer pattern than runs: looking for none makes
    # files of photographs 3 % smaller, in a tenth of the time.
    compressor = zlib.compressobj(strategy=zlib.Z_RLE)
    above = np.zeros(width * pixel, np.uint8)
    for rows in _pieces(bands, width * pixel):
        filtered = _filtered(rows, np.vstack([above, rows[:-1]]), pixel)
        above = rows[-1].copy()
        if data := compressor.compress(filtered.data):
            write_chunk(file, b"IDAT", data)
    write_chunk(file, b"IDAT", compressor.flush())
    write_chunk(file, b"IEND", b"")


def _metadata_chunks(metadata: Metadata) -> Iterator[tuple[bytes, bytes]]:
    for name, data in metadata.png_colour:
        if name != b"sRGB" or metadata.icc is None:  # one of the two at most
            yield name, data
    if metadata.icc is not None:
        yield b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)
    if metadata.dpi is not None:
        across, down = (round(inch / 0.0254) for inch in metadata.dpi)
        yield b"pHYs", struct.pack(">2IB", across, down, 1)
    if metadata.exif is not None:
        yield b"eXIf", metadata.exif
    texts = dict(metadata.text)
    for keyword, text in texts.items():
        yield b"iTXt", _text(keyword, text.encode())
    if metadata.xmp is not None:
        yield b"iTXt", _text("XML:com.adobe.xmp", metadata.xmp)


def _text(keyword: str, text: bytes) -> bytes:
    return keyword.encode("latin-1", "replace")[:79] + b"\0\0\0\0\0" + text


def _pieces(bands: Iterable[np.ndarray], row: int) -> Iterator[np.ndarray]:
    """The same rows as bytes, uint8 (n, row), so few at a time that they stay in the cache."""
    count = max(1, _PIECE // row)
    for band in bands:
        for start in range(0, len(band), count):
            rows = np.ascontiguousarray(band[start : start + count])
            # The upper byte of 16 bits comes first.
            yield rows.astype(rows.dtype.newbyteorder(">")).view(np.uint8).reshape(-1, row)


def _filtered(rows: np.ndarray, above: np.ndarray, pixel: int) -> np.ndarray:
    """uint8 (n, row) -> uint8 (n, 1 + row): each row behind its filter's number.

    Of the filters Sub, Up and Paeth that one is taken whose differences are smallest in sum
    (section 12.7).

    Args:
        rows: bytes.
        above: the row above each.
        pixel: bytes of one.
    """
    left, corner = (_shifted(values, pixel) for values in (rows, above))
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


def _shifted(values: np.ndarray, pixel: int) -> np.ndarray:
    """The pixel to the left of each; zero at the border."""
    result = np.zeros_like(values)
    result[:, pixel:] = values[:, :-pixel]
    return result
