"""Picture files in: what is in them, decoded without losing depth, transparency or frames."""

from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile

from srlab.errors import SrlabError
from srlab.upscaling import exif, sixteen_bits, tiff_pages
from srlab.upscaling.decoders import complaints, pixel_limit, too_large
from srlab.upscaling.formats import FORMATS, PILLOW_NAMES, Header
from srlab.upscaling.jpeg_quality import jpeg_quality
from srlab.upscaling.metadata import read_exif, read_metadata, tiff_metadata
from srlab.upscaling.orientation import turned, upright
from srlab.upscaling.picture import Frame, Metadata, Picture
from srlab.upscaling.plain_modes import MODES, converted, with_transparent_colour

LARGEST_MEGAPIXELS = 128.0
"""Millions of pixels that a picture may declare; those of phones have up to 108."""


def read_header(file: BinaryIO, *, megapixels: float = LARGEST_MEGAPIXELS) -> Header:
    """What is in a picture file, without decoding it.

    Args:
        file: open for reading, seekable.
        megapixels: the limit of what it may declare.

    Raises:
        SrlabError: it is none of the formats that are read, or declares too much.
    """
    with complaints(), pixel_limit(megapixels):
        if tiff_pages.is_tiff(file):
            return _tiff_header(file, megapixels)[0]
        return _header(_opened(file), file)


def read_picture(file: BinaryIO, *, megapixels: float = LARGEST_MEGAPIXELS) -> Picture:
    """Decode a picture file.

    Grey stays grey, palettes become grey or RGB, one bit becomes 8, CMYK becomes sRGB by its
    profile. EXIF's orientation is applied, and reset in the metadata.

    Args:
        file: open for reading, seekable; must stay open as long as frames are read.
        megapixels: the limit of what it may declare.

    Raises:
        SrlabError: see `read_header`, or it is damaged.
    """
    with complaints(), pixel_limit(megapixels):
        if tiff_pages.is_tiff(file):
            return _tiff(file, megapixels)
        image = _opened(file)
        header = _header(image, file)
        if header.frames > 1:
            return _animation(image, file, header, megapixels)
        return _still(image, file, header)


def _still(image: ImageFile.ImageFile, file: BinaryIO, header: Header) -> Picture:
    notes: list[str] = []
    if header.bits == 16:
        pixels = sixteen_bits.read_png(image, file)
        pixels = with_transparent_colour(pixels, image.info.get("transparency"))
    else:
        image.load()
        pixels = np.asarray(converted(image, image.info.get("icc_profile"), notes))
    if image.format == "MPO":
        notes.append("only the first of its pictures was kept")
    metadata = read_metadata(image, file)
    if image.mode == "CMYK":
        metadata = replace(metadata, icc=None)  # it is that of the inks
    turn = exif.orientation(metadata.exif or b"")
    return _of_one_frame(pixels, turn, header, metadata, notes)


def _tiff(file: BinaryIO, megapixels: float) -> Picture:
    notes: list[str] = []
    header, layout = _tiff_header(file, megapixels)
    metadata = tiff_metadata(tiff_pages.read_tags(file), layout.orientation)
    turn = layout.orientation
    plain = tiff_pages.read_plain(file) if header.bits == 8 else None
    if header.bits == 16:
        pixels, is_upright = tiff_pages.read_deep(file)
        turn = 1 if is_upright else turn
    elif plain is not None:
        pixels = plain
    else:
        image = _opened(file, "TIFF")
        image.load()
        pixels = np.asarray(converted(image, metadata.icc, notes))
        turn = 1  # Pillow has turned it
        if image.mode in ("CMYK", "LAB"):
            metadata = replace(metadata, icc=None)
    return _of_one_frame(pixels, turn, header, metadata, notes)


def _of_one_frame(
    pixels: np.ndarray, turn: int, header: Header, metadata: Metadata, notes: list[str]
) -> Picture:
    frame = Frame(upright(_with_channels(pixels), turn))
    height, width, channels = frame.pixels.shape
    header = replace(header, size=(width, height), channels=channels)
    return Picture(header, lambda: iter([frame]), metadata, tuple(notes))


def _animation(
    image: ImageFile.ImageFile, file: BinaryIO, header: Header, megapixels: float
) -> Picture:
    """Frames as they are seen, each whole: Pillow has laid them over one another."""
    has_alpha = is_coloured = False
    for index in range(header.frames):
        rgba = np.asarray(_frame(image, index).convert("RGBA"))
        colours = rgba[..., :3][rgba[..., 3] > 0]
        has_alpha = has_alpha or bool((rgba[..., 3] < 255).any())
        is_coloured = is_coloured or bool((colours != colours[:, :1]).any())
    channels = (3 if is_coloured else 1) + has_alpha
    metadata = read_metadata(image, file)
    turn = exif.orientation(metadata.exif or b"")

    def frames() -> Iterator[Frame]:
        for index in range(header.frames):
            with complaints(), pixel_limit(megapixels):
                frame = _frame(image, index)
                pixels = np.asarray(frame.convert("RGBA").convert(MODES[channels]))
                duration = float(frame.info.get("duration") or 0)
            yield Frame(upright(_with_channels(pixels), turn), duration)

    loop = image.info.get("loop")
    return Picture(
        replace(header, size=turned(image.size, turn), channels=channels),
        frames,
        metadata,
        loop=loop if isinstance(loop, int) else None,
        default_image=bool(image.info.get("default_image")),
    )


def _frame(image: ImageFile.ImageFile, index: int) -> Image.Image:
    image.seek(index)
    image.load()
    return image


def _with_channels(pixels: np.ndarray) -> np.ndarray:
    """(H, W, C) of (H, W) or (H, W, C)."""
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _opened(file: BinaryIO, *formats: str) -> ImageFile.ImageFile:
    file.seek(0)
    if not file.read(1):
        raise SrlabError("the file is empty; get it again")
    file.seek(0)
    image = Image.open(file, formats=formats or [name for name in FORMATS if name != "tiff"])
    if min(image.size) < 1:
        raise SrlabError(f"it has {image.width}x{image.height} pixels: nothing to enlarge")
    return image


def _header(image: ImageFile.ImageFile, file: BinaryIO) -> Header:
    form = PILLOW_NAMES[str(image.format)]
    size = turned(image.size, exif.orientation(read_exif(image.info) or b""))
    # Behind the first picture of an MPO are other views of the same.
    frames = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
    bits, channels = 8, _channels(image)
    if image.format == "PNG" and frames == 1:
        raw = str(image.tile[0].args)
        bits = 16 if ";16" in raw else 8
        channels = 2 if raw.startswith("LA;16") else channels
    lossless = form.quality is None or (form.name == "webp" and _is_lossless_webp(file))
    return Header(form, size, channels, bits, frames, lossless, jpeg_quality(image))


def _tiff_header(file: BinaryIO, megapixels: float) -> tuple[Header, tiff_pages.TiffLayout]:
    layout = tiff_pages.read_layout(file)
    width, height = layout.size
    if min(layout.size) < 1:
        raise SrlabError(f"it has {width}x{height} pixels: nothing to enlarge")
    if width * height > megapixels * 1e6:
        raise too_large(width * height)
    if layout.several:
        raise SrlabError("it has several pages; split it into files of one page each")
    size = turned(layout.size, layout.orientation)
    if layout.channels is not None:
        return Header(FORMATS["tiff"], size, layout.channels, layout.bits, 1), layout
    # Only Pillow knows the channels of what only it converts.
    return Header(FORMATS["tiff"], size, _channels(_opened(file, "TIFF")), 8, 1), layout


def _channels(image: Image.Image) -> int:
    """As in `Header`, as far as it is known before decoding."""
    is_grey = image.mode in ("1", "L", "LA", "La") or image.mode.startswith("I;16")
    return (1 if is_grey else 3) + bool(image.has_transparency_data)


def _is_lossless_webp(file: BinaryIO) -> bool:
    """Whether the first image in a WebP is of the lossless kind (RFC 9649, section 2)."""
    file.seek(12)
    while len(head := file.read(8)) == 8:
        if head[:4] in (b"VP8 ", b"VP8L"):
            return head[:4] == b"VP8L"
        size = int.from_bytes(head[4:], "little")
        # A frame of an animation has 16 bytes of its own in front of its chunks.
        file.seek(16 if head[:4] == b"ANMF" else size + size % 2, 1)
    return False
