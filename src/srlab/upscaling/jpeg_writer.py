"""A JPEG written some rows at a time.

Pillow writes whole images only. But what lies between two restart markers knows nothing of the
rest, so bands that Pillow has written as images of their own, with a marker behind each row of
blocks, are put behind one another, the markers counted on and the height set to that of the whole.

Source: ITU-T T.81, sections B.2.1 (markers), B.2.2 (frame header), F.1.1.5 and E.1.4 (restart).
"""

import io
import struct
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from srlab.upscaling.plain_modes import MODES

_BLOCK = 8
"""Rows of a block, and without subsampling those between two markers."""
_FRAME, _SCAN, _END = 0xC0, 0xDA, b"\xff\xd9"
_RESTART = 0xD0
"""The first of eight markers that take turns."""


def write_jpeg(
    file: BinaryIO,
    bands: Iterable[np.ndarray],
    shape: tuple[int, int, int],
    compression: dict[str, Any],
    metadata: dict[str, Any],
) -> None:
    """Write an image of which some rows at a time are there.

    Args:
        file: open for writing; need not be seekable.
        bands: uint8 (any, W, C), from the top to the bottom.
        shape: (H, W, C) of the whole image, C 1 or 3.
        compression: Pillow's options; no subsampling, not progressive, no tables of its own.
        metadata: Pillow's options besides, of the whole image.
    """
    height, _, channels = shape
    written = 0
    for rows in _whole_blocks(bands):
        image = Image.fromarray(rows[..., 0] if channels == 1 else rows, MODES[channels])
        buffer = io.BytesIO()
        own = {} if written else metadata
        image.save(buffer, "jpeg", restart_marker_rows=1, **compression, **own)
        head, scan = _parts(buffer.getvalue())
        if written:
            file.write(_restart(written - 1))
        else:
            file.write(_with_height(head, height))
        file.write(_counted_on(scan, written))
        written += -(-len(rows) // _BLOCK)
    file.write(_END)


def _whole_blocks(bands: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
    """The same rows in numbers that are multiples of a block's; the rest last."""
    rest: np.ndarray | None = None
    for band in bands:
        rows = band if rest is None else np.concatenate([rest, band])
        whole = len(rows) // _BLOCK * _BLOCK
        rest = rows[whole:].copy()
        if whole:
            yield np.ascontiguousarray(rows[:whole])
    if rest is not None and len(rest):
        yield rest


def _parts(data: bytes) -> tuple[bytes, bytes]:
    """A JPEG of one scan -> all in front of the compressed data, and these."""
    start = 2
    while data[start + 1] != _SCAN:
        start = _behind(data, start)
    start = _behind(data, start)
    return data[:start], data[start : -len(_END)]


def _with_height(head: bytes, height: int) -> bytes:
    start = 2
    while head[start + 1] != _FRAME:
        start = _behind(head, start)
    # Behind the marker, the length, and the bits of a value.
    at = start + 5
    return head[:at] + struct.pack(">H", height) + head[at + 2 :]


def _behind(data: bytes, start: int) -> int:
    """Where the segment ends that begins there."""
    (length,) = struct.unpack_from(">H", data, start + 2)
    return start + 2 + length


def _counted_on(scan: bytes, written: int) -> bytes:
    """The data with its markers numbered on behind so many rows of blocks."""
    values = np.frombuffer(scan, np.uint8).copy()
    # A value of 0xff that is no marker is followed by zero.
    is_marker = (values[:-1] == 0xFF) & (values[1:] >= _RESTART) & (values[1:] < _RESTART + 8)
    places = np.flatnonzero(is_marker) + 1
    values[places] = _RESTART + (written + np.arange(len(places))) % 8
    return values.tobytes()


def _restart(index: int) -> bytes:
    return bytes([0xFF, _RESTART + index % 8])
