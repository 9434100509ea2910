"""TIFF files: which of their many kinds are read, and how.

What lies in the file as it is needed is mapped into memory, so that of a scan of any size only the
part that is looked at is read. tifffile reads most 16-bit images, Pillow (libtiff) the rest.
"""

from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
import tifffile
from PIL import ExifTags, Image

from srlab.upscaling import sixteen_bits

_GREY, _GREY_INVERTED, _RGB = (
    tifffile.PHOTOMETRIC.MINISBLACK,
    tifffile.PHOTOMETRIC.MINISWHITE,
    tifffile.PHOTOMETRIC.RGB,
)
_PREMULTIPLIED, _ALPHA = tifffile.EXTRASAMPLE.ASSOCALPHA, tifffile.EXTRASAMPLE.UNASSALPHA


_DIRECTORIES = 32
"""How many are looked at: in a damaged file they may form a circle."""


@dataclass(frozen=True)
class TiffLayout:
    """What a TIFF's tags say of its pixels."""

    size: tuple[int, int]
    """(W, H) as stored."""
    orientation: int
    """How they must be turned, as in EXIF."""
    bits: int
    """Per channel: 1 to 16."""
    channels: int | None
    """As in `Header.channels`; None for what only Pillow converts (palette, CMYK, ...)."""
    several: bool
    """Whether there are more full images in the file; thumbnails and masks do not count."""


def is_tiff(file: BinaryIO) -> bool:
    """Whether a file begins as a TIFF or BigTIFF does."""
    file.seek(0)
    return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_layout(file: BinaryIO) -> TiffLayout:
    """What kind of TIFF a file is.

    Raises:
        ValueError: samples are signed, floating point, of more than 16 bits or of mixed kinds.
        tifffile.TiffFileError, OSError: it is damaged.
    """
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page = _page(tiff)
        bits = page.bitspersample
        if page.sampleformat != tifffile.SAMPLEFORMAT.UINT or bits > 16:
            kind = "unknown" if page.dtype is None else page.dtype.name
            raise ValueError(f"its values are {kind}; convert it to 8 or 16 bits per channel")
        if 8 < bits < 16:
            raise ValueError(f"it has {bits} bits per channel; convert it to 8 or 16")
        turn = page.tags.valueof(ExifTags.Base.Orientation, 1)
        return TiffLayout(
            size=(page.imagewidth, page.imagelength),
            orientation=turn if turn in range(1, 9) else 1,
            bits=bits,
            channels=_channels(page),
            several=_has_several_pages(tiff),
        )


def read_tags(file: BinaryIO) -> Image.Exif:
    """The tags of the first page."""
    file.seek(0)
    exif = Image.Exif()
    with tifffile.TiffFile(file) as tiff:
        exif.endian, exif.bigtiff = tiff.byteorder, tiff.is_bigtiff
        offset = tiff.pages.first.offset
    exif.load_from_fp(file, offset)
    return exif


def read_plain(file: BinaryIO) -> np.ndarray | None:
    """8-bit pixels (H, W, C) that lie in the file as they are needed, not turned; else None.

    Returns:
        uint8, a memory map.

    Raises:
        ValueError, tifffile.TiffFileError, OSError: it is damaged.
    """
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page = _page(tiff)
        return _mapped(page, tiff) if page.bitspersample == 8 and _is_plain(page, tiff) else None


def read_deep(file: BinaryIO) -> tuple[np.ndarray, bool]:
    """16-bit pixels, uint16 (H, W, C), and whether they were turned upright already.

    Raises:
        ValueError, SyntaxError, tifffile.TiffFileError, OSError: it is damaged, or compressed in a
            way that is not known.
    """
    file.seek(0)
    with tifffile.TiffFile(file) as tiff:
        page = _page(tiff)
        if _is_plain(page, tiff):
            return _mapped(page, tiff), False
        premultiplied = _PREMULTIPLIED in page.extrasamples
        upright = False
        try:
            pixels = page.asarray()
            if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and pixels.ndim == 3:
                pixels = np.moveaxis(pixels, 0, -1)
        except (ValueError, ImportError) as error:
            if isinstance(error, ValueError) and "imagecodecs" not in str(error):
                raise
            pixels, upright = sixteen_bits.read_tiff(file), True
        channels = _channels(page)
        pixels = pixels.reshape(*pixels.shape[:2], -1)[..., :channels]
        if page.photometric == _GREY_INVERTED:
            pixels = np.concatenate([65535 - pixels[..., :1], pixels[..., 1:]], axis=-1)
        return (_divided(pixels) if premultiplied else pixels), upright


def _page(tiff: tifffile.TiffFile) -> tifffile.TiffPage:
    page = tiff.pages.first
    if not isinstance(page, tifffile.TiffPage) or page.imagedepth > 1:
        raise ValueError("its first page is no image")
    return page


def _has_several_pages(tiff: tifffile.TiffFile) -> bool:
    for index in range(1, _DIRECTORIES):
        try:
            page = tiff.pages[index]
        except IndexError:
            return False
        if isinstance(page, tifffile.TiffPage) and not (page.is_reduced or page.is_mask):
            return True
    return False


def _channels(page: tifffile.TiffPage) -> int | None:
    """1 to 4 for 8-bit and 16-bit grey and RGB with or without alpha, else None."""
    colours = {_GREY: 1, _GREY_INVERTED: 1, _RGB: 3}.get(page.photometric)  # type: ignore[call-overload]
    if colours is None or page.bitspersample not in (8, 16):
        return None
    if not page.extrasamples:
        return int(colours) if page.samplesperpixel == colours else None
    has_alpha = page.extrasamples[0] in (_PREMULTIPLIED, _ALPHA)
    return int(colours) + has_alpha


def _is_plain(page: tifffile.TiffPage, tiff: tifffile.TiffFile) -> bool:
    """Whether the pixels lie in the file as they are needed."""
    return (
        tiff.filehandle.is_file
        and page.is_memmappable
        and page.planarconfig == tifffile.PLANARCONFIG.CONTIG
        and page.photometric in (_GREY, _RGB)
        and (not page.extrasamples or tuple(page.extrasamples) == (_ALPHA,))
        and page.dataoffsets[0] + page.nbytes <= tiff.filehandle.size
    )


def _mapped(page: tifffile.TiffPage, tiff: tifffile.TiffFile) -> np.ndarray:
    assert page.dtype is not None
    kind = page.dtype.newbyteorder(tiff.byteorder)
    pixels = tiff.filehandle.memmap_array(kind, page.shape, page.dataoffsets[0])
    return pixels.reshape(*pixels.shape[:2], -1)


def _divided(pixels: np.ndarray) -> np.ndarray:
    """Colours that were multiplied by alpha, as they were before."""
    colour, alpha = pixels[..., :-1].astype(np.uint32), pixels[..., -1:].astype(np.uint32)
    divisor = np.maximum(alpha, 1)
    restored = np.minimum((colour * 65535 + divisor // 2) // divisor, 65535)
    return np.concatenate([restored, alpha], axis=-1).astype(np.uint16)
