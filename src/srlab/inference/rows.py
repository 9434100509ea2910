"""An image's rows, read as they are needed where the file permits."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import tifffile

from srlab.data.images import read_pixels


class Rows(Protocol):
    """An image of uint8 (H, W) or (H, W, 3), of which some rows can be had."""

    shape: tuple[int, ...]

    def read(self, start: int, stop: int) -> np.ndarray:
        """Rows from `start` to before `stop`: uint8 (stop - start, W) or (stop - start, W, 3)."""
        ...


class DecodedRows:
    """Rows of an image that is in memory.

    Args:
        pixels: uint8 (H, W) or (H, W, 3).
    """

    def __init__(self, pixels: np.ndarray) -> None:
        self._pixels = pixels
        self.shape = pixels.shape

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._pixels[start:stop]


class RawRows:
    """Rows that lie one behind the other in a file, as in a TIFF without compression.

    Args:
        file: stays open as long as rows are read.
        offset: of the first row, in bytes.
        shape: (H, W) or (H, W, 3).
    """

    def __init__(self, file: BinaryIO, offset: int, shape: tuple[int, ...]) -> None:
        self._file, self._offset = file, offset
        self.shape = shape

    def read(self, start: int, stop: int) -> np.ndarray:
        row = int(np.prod(self.shape[1:]))
        self._file.seek(self._offset + start * row)
        values = np.fromfile(self._file, np.uint8, (stop - start) * row)
        return values.reshape(stop - start, *self.shape[1:])


@contextmanager
def open_rows(path: Path) -> Iterator[Rows]:
    """The rows of an image file.

    A TIFF without compression is read piece by piece. Any other file is decoded once, to a byte for
    each value: at x4 that is a sixteenth of the result.

    Raises:
        SrlabError: the file does not decode, or has more than 8 bits per channel.
    """
    place = _raw_place(path)
    if place is None:
        yield DecodedRows(read_pixels(path))
        return
    with path.open("rb") as file:
        yield RawRows(file, *place)


def _raw_place(path: Path) -> tuple[int, tuple[int, ...]] | None:
    """(offset, shape) of a TIFF's pixels where they lie in it as `Rows` gives them, else None."""
    if path.suffix.lower() not in (".tif", ".tiff"):
        return None
    try:
        with tifffile.TiffFile(path) as file:
            page = file.pages.first
            plain = (
                page.is_contiguous
                and page.compression == tifffile.COMPRESSION.NONE
                and page.dtype == np.uint8
                and page.fillorder == tifffile.FILLORDER.MSB2LSB
                and (page.photometric, page.shape[2:])
                in ((tifffile.PHOTOMETRIC.MINISBLACK, ()), (tifffile.PHOTOMETRIC.RGB, (3,)))
                and page.planarconfig == tifffile.PLANARCONFIG.CONTIG
                and page.dataoffsets[0] + page.nbytes <= path.stat().st_size
            )
            return (page.dataoffsets[0], page.shape) if plain else None
    except (OSError, ValueError, tifffile.TiffFileError):
        return None  # `read_pixels` says what is wrong
