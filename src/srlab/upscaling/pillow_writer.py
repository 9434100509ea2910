"""Pictures that are written whole, by Pillow: WebP, AVIF, BMP, GIF, and animations."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import psutil
from PIL import Image

from srlab.errors import SrlabError
from srlab.upscaling.formats import Format
from srlab.upscaling.picture import Metadata
from srlab.upscaling.plain_modes import MODES

_PIXEL = 4
"""Bytes of a pixel in Pillow, but for grey ones."""
_SEGMENT = 65_000
"""Bytes of EXIF or XMP that JPEG has room for, in one segment."""


@dataclass(frozen=True)
class Compression:
    """How much is lost."""

    quality: int | None
    """1 to 100, for formats that lose something."""
    lossless: bool = False
    """WebP without loss."""


def check_memory(size: tuple[int, int], frames: int, form: Format) -> None:
    """Refuse what would not fit into memory, before it takes hours to find out.

    Args:
        size: (W, H) of a frame.
        frames: how many there are.
        form: what cannot be written piece by piece.

    Raises:
        SrlabError: less memory is free than the result takes.
    """
    needed, free = size[0] * size[1] * _PIXEL * frames, psutil.virtual_memory().available
    if needed > 0.8 * free:
        whole = "every frame" if frames > 1 else "the whole picture"
        raise SrlabError(
            f"{form.title} needs {whole} in memory, {needed / 1e9:.1f} GB, and "
            f"{free / 1e9:.1f} GB are free; use jpeg, png or tiff for still pictures, or a smaller "
            "scale"
        )


def image_of(bands: Iterable[np.ndarray], shape: tuple[int, int, int]) -> Image.Image:
    """The image of which some rows at a time are there.

    Args:
        bands: uint8 (any, W, C), from the top to the bottom.
        shape: (H, W, C) of the whole.
    """
    height, width, channels = shape
    image = Image.new(MODES[channels], (width, height))
    top = 0
    for band in bands:
        rows = band[..., 0] if channels == 1 else band
        image.paste(Image.fromarray(np.ascontiguousarray(rows)), (0, top))
        top += len(band)
    return image


def write_still(
    file: BinaryIO, image: Image.Image, form: Format, metadata: Metadata, compression: Compression
) -> None:
    """Write one image.

    Args:
        file: open for writing, seekable.
        image: of mode L, LA, RGB or RGBA.
        form: what it becomes.
        metadata: what of it the format holds is written, see `left_out`.
        compression: how much is lost.
    """
    if form.name == "gif":
        image = _with_palette(image)
    options = metadata_options(form, metadata) | compression_options(form, compression)
    image.save(file, form.name, **options)


def write_animation(
    file: BinaryIO,
    images: list[Image.Image],
    durations: list[float],
    loop: int | None,
    default_image: bool,
    form: Format,
    metadata: Metadata,
    compression: Compression,
) -> None:
    """Write frames, each of which replaces the one before.

    Args:
        file: open for writing, seekable.
        images: of mode L, LA, RGB or RGBA, all of one size.
        durations: milliseconds of each.
        loop: see `srlab.upscaling.picture.Picture`.
        default_image: the first image is no part of the animation (APNG).
        form: gif, webp, png or avif.
        metadata, compression: see `write_still`.
    """
    options = metadata_options(form, metadata) | compression_options(form, compression)
    times = [round(time) for time in durations]
    if form.name == "gif":
        images = [_with_palette(image) for image in images]
        # Frames with holes would show the one before through them.
        options["disposal"] = 2 if any("transparency" in image.info for image in images) else 1
        if loop is not None:
            options["loop"] = loop
    else:
        # The others say for ever where GIF says nothing.
        options["loop"] = 1 if loop is None else loop
    if form.name == "png":
        images = [image.convert("RGBA") if image.mode == "LA" else image for image in images]
        options |= {"default_image": default_image, "disposal": 0, "blend": 0}
        if default_image:
            times = times[1:]
    first, *others = images
    first.save(file, form.name, save_all=True, append_images=others, duration=times, **options)


def left_out(form: Format, metadata: Metadata) -> list[str]:
    """What of the metadata a format does not hold, in words."""
    names = []
    if not form.exif:
        held = {"EXIF": metadata.exif, "ICC profile": metadata.icc, "XMP": metadata.xmp}
        names += [name for name, value in held.items() if value is not None]
    elif form.name == "jpeg":
        held = {"EXIF": metadata.exif, "XMP": metadata.xmp}
        names += [name for name, value in held.items() if len(value or b"") > _SEGMENT]
    return [f"{', '.join(names)} left out: {form.title} has no room for it"] if names else []


def metadata_options(form: Format, metadata: Metadata) -> dict[str, Any]:
    """What Pillow is told of the metadata, of those that the format holds."""
    options: dict[str, Any] = {}
    room = _SEGMENT if form.name == "jpeg" else 2**31
    if form.exif:
        if metadata.icc is not None:
            options["icc_profile"] = metadata.icc
        if (exif := metadata.exif or _resolution(form, metadata)) and len(exif) <= room:
            options["exif"] = b"Exif\0\0" + exif
        if metadata.xmp is not None and len(metadata.xmp) <= room:
            options["xmp"] = metadata.xmp
    if form.dpi and metadata.dpi is not None:
        options["dpi"] = metadata.dpi
    if form.name in ("jpeg", "gif") and metadata.comment is not None:
        options["comment"] = metadata.comment
    return options


def compression_options(form: Format, compression: Compression) -> dict[str, Any]:
    """What Pillow is told of how much may be lost."""
    options: dict[str, Any] = {}
    if compression.lossless and form.name == "webp":
        options |= {"lossless": True, "quality": 75, "exact": True}
    elif form.quality is not None:
        options["quality"] = compression.quality or form.quality
    if form.name == "webp":
        options["method"] = 4
    elif form.name == "jpeg":
        options["subsampling"] = "4:4:4"  # or a quarter of the colours would be left
    elif form.name == "avif" and "quality" in options:
        options["subsampling"] = "4:4:4"
    return options


def _resolution(form: Format, metadata: Metadata) -> bytes | None:
    """EXIF that says the resolution, for formats without a field of their own."""
    if form.dpi or metadata.dpi is None:
        return None
    exif = Image.Exif()
    exif[0x011A], exif[0x011B], exif[0x0128] = *metadata.dpi, 2  # XResolution, YResolution, inches
    return exif.tobytes().removeprefix(b"Exif\0\0")


def _with_palette(image: Image.Image) -> Image.Image:
    """256 colours of its own, dithered, one of them transparent where there is alpha."""
    if image.mode == "L":
        return image
    alpha = image.getchannel("A") if image.mode.endswith("A") else None
    colours = image.convert("RGB")
    if alpha is None or int(np.asarray(alpha).min()) >= 128:
        return colours.quantize(256, palette=colours.quantize(256))
    palette = colours.quantize(255)
    result = colours.quantize(255, palette=palette)
    result.paste(255, mask=alpha.point(lambda value: 255 * (value < 128)))
    result.info["transparency"] = 255
    return result
