"""A TIFF written strip by strip, of 8 or 16 bits per channel, with its EXIF.

tifffile takes an iterator of compressed strips. It writes no directories inside of the directory,
which EXIF needs: they are put behind its file, and tags that were kept free point to them.

Source: TIFF 6.0, section 14 (differencing predictor); TIFF Technical Note 3 (deflate); Exif 3.0,
section 4.6.3 (EXIF and GPS directories).
"""

import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from srlab.upscaling.exif import INTEROPERABILITY
from srlab.upscaling.picture import Metadata

_STRIP = 64
"""Rows of a strip."""
_CLASSIC = 2**32 - 2**25
"""Bytes of pixels from which on BigTIFF is written, as tifffile decides for whole images."""
_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_XMP = 700
_ASCII, _BYTE, _LONG, _LONG8 = 2, 1, 4, 16


def write_tiff(
    file: BinaryIO,
    bands: Iterable[np.ndarray],
    shape: tuple[int, int, int],
    dtype: np.dtype,
    metadata: Metadata,
) -> None:
    """Write an image of which some rows at a time are there, compressed without loss (deflate).

    Args:
        file: open for reading and writing, seekable.
        bands: (any, W, C) of the type, from the top to the bottom.
        shape: (H, W, C) of the whole image, C from 1 to 4.
        dtype: uint8 or uint16.
        metadata: of the whole image.
    """
    height, width, channels = shape
    is_big = height * width * channels * dtype.itemsize >= _CLASSIC
    exif = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # EXIF that is damaged in part
        exif.load(metadata.exif or b"")
        directories = _directories(exif)
    with tifffile.TiffWriter(file, bigtiff=is_big, byteorder="<") as writer:
        writer.write(
            (_compressed(strip) for strip in _strips(bands)),
            shape=shape if channels > 1 else shape[:2],
            dtype=dtype,
            photometric="minisblack" if channels <= 2 else "rgb",
            planarconfig="contig" if channels > 1 else None,
            extrasamples=["unassalpha"] if channels in (2, 4) else None,
            rowsperstrip=min(_STRIP, height),
            compression="zlib",
            predictor=True,
            iccprofile=metadata.icc,
            resolution=metadata.dpi,
            resolutionunit="INCH" if metadata.dpi else None,
            software=False,
            metadata=None,
            extratags=[
                *_plain_tags(exif, metadata),
                *((tag - 1, _LONG8 if is_big else _LONG, 1, 0, True) for tag in directories),
            ],
        )
    _append(file, directories, is_big)


def _plain_tags(exif: Image.Exif, metadata: Metadata) -> Iterator[tuple]:
    if metadata.xmp is not None:
        yield _XMP, _BYTE, len(metadata.xmp), metadata.xmp, True
    for tag, value in exif.items():
        if isinstance(value, str) and value.isascii():
            yield tag, _ASCII, len(value) + 1, value, True
        elif isinstance(value, bytes) and tag >= ExifTags.Base.XPTitle:
            yield tag, _BYTE, len(value), value, True


def _directories(exif: Image.Exif) -> dict[int, Mapping[int, Any]]:
    found: dict[int, Mapping[int, Any]] = {}
    for tag in _DIRECTORIES:
        values = dict(exif.get_ifd(tag))
        values.pop(INTEROPERABILITY, None)  # an offset into the old file
        if values:
            found[int(tag)] = values
    return found


def _append(file: BinaryIO, directories: Mapping[int, Mapping[int, Any]], is_big: bool) -> None:
    """Write the directories at the end of the file, and where they are into the first one.

    The tags that were kept free have the numbers before theirs, which stand for nothing.
    """
    head = b"II" + (struct.pack("<3HQ", 43, 8, 0, 0) if is_big else struct.pack("<HI", 42, 0))
    places = {}
    for tag, values in directories.items():
        directory = ImageFileDirectory_v2(head, group=tag)
        for key, value in values.items():
            directory[key] = value
        place = file.seek(0, 2)
        place += file.write(b"\0") if place % 2 else 0  # on a word
        file.write(directory.tobytes(place))
        places[tag] = place
    if not places:
        return
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        tags = tiff.pages.first.aspage().tags
        offsets = {tag: tags[tag - 1].offset for tag in places}
    for tag, place in places.items():
        file.seek(offsets[tag])
        entry = ("<2H2Q", _LONG8) if is_big else ("<2H2I", _LONG)
        file.write(struct.pack(entry[0], tag, entry[1], 1, place))


def _compressed(strip: np.ndarray) -> bytes:
    differences = strip.copy()
    differences[:, 1:] -= strip[:, :-1]  # modulo 256 or 65536
    # As in `srlab.upscaling.png_writer`.
    compressor = zlib.compressobj(strategy=zlib.Z_RLE)
    return compressor.compress(np.ascontiguousarray(differences).data) + compressor.flush()


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
