"""Pictures out: enlarged and written in one go, whole or piece by piece."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from PIL import Image

from srlab.errors import SrlabError
from srlab.upscaling import colour, exif
from srlab.upscaling.formats import Format
from srlab.upscaling.hidden_colour import filled
from srlab.upscaling.jpeg_writer import write_jpeg
from srlab.upscaling.model import Model
from srlab.upscaling.picture import Frame, Metadata, Picture
from srlab.upscaling.pillow_writer import (
    Compression,
    check_memory,
    compression_options,
    image_of,
    left_out,
    metadata_options,
    write_animation,
    write_still,
)
from srlab.upscaling.png_writer import write_png
from srlab.upscaling.regions import Enlargement, Options, Progress
from srlab.upscaling.tiff_writer import write_tiff


def write_enlarged(
    file: BinaryIO,
    picture: Picture,
    model: Model,
    size: tuple[int, int],
    form: Format,
    options: Options,
    compression: Compression,
    progress: Progress = lambda done: None,
) -> list[str]:
    """Enlarge a picture and write it.

    Args:
        file: open for reading and writing, seekable.
        picture: what is enlarged.
        model, size, options, progress: see `srlab.upscaling.regions.Enlargement`.
        form: what it becomes; it can hold the picture.
        compression: how much is lost.

    Returns:
        What was left out, in words.

    Raises:
        SrlabError: memory does not suffice, or the picture turns out to be damaged.
    """
    metadata, notes = _fitted(picture.metadata, picture.header.channels, size, form)
    is_animated = picture.header.frames > 1
    if is_animated or not form.streams:
        check_memory(size, picture.header.frames, form)
    is_deep = picture.header.bits == 16 and form.deep
    dtype = np.dtype(np.uint16 if is_deep else np.uint8)

    def bands(frame: Frame) -> Iterator[np.ndarray]:
        pixels = frame.pixels
        if pixels.shape[-1] in (2, 4):
            pixels = filled(pixels)
        return Enlargement(pixels, model, size, options, dtype).bands(progress)

    shape = (size[1], size[0], picture.header.channels)
    if is_animated:
        images: list[Image.Image] = []
        durations = []
        for frame in picture.frames():
            images.append(image_of(bands(frame), shape))
            durations.append(frame.duration)
        write_animation(
            file,
            images,
            durations,
            picture.loop,
            picture.default_image,
            form,
            metadata,
            compression,
        )
        return notes
    (frame,) = picture.frames()
    if form.name == "png":
        write_png(file, bands(frame), shape, dtype, metadata)
    elif form.name == "tiff":
        write_tiff(file, bands(frame), shape, dtype, metadata)
    elif form.name == "jpeg":
        lossy, own = compression_options(form, compression), metadata_options(form, metadata)
        write_jpeg(file, bands(frame), shape, lossy, own)
    else:
        write_still(file, image_of(bands(frame), shape), form, metadata, compression)
    return notes


def _fitted(
    metadata: Metadata, channels: int, size: tuple[int, int], form: Format
) -> tuple[Metadata, list[str]]:
    """The metadata of the enlarged picture, and what of it is left out."""
    notes = left_out(form, metadata)
    if metadata.exif is not None:
        metadata = replace(metadata, exif=exif.made_upright(metadata.exif, size))
    icc = metadata.icc
    written_as = 3 if form.name == "webp" else channels
    # PNG forbids the profile of RGB for grey pixels, and nobody reads one of other colours.
    if icc is not None and not colour.fits(icc, written_as):
        is_harmless = written_as <= 2 and icc[16:20] == b"RGB " and form.name != "png"
        if not is_harmless:
            metadata = replace(metadata, icc=None)
            notes.append("the ICC profile left out: it is not one of such pixels")
    return metadata, notes


@contextmanager
def replacing(target: Path) -> Iterator[BinaryIO]:
    """A file that appears under its name when the block has ended well, and else not at all.

    Raises:
        SrlabError: it cannot be written.
    """
    partial = target.parent / f".srlab-{secrets.token_hex(6)}.partial"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with partial.open("x+b") as file:
            yield file
        os.replace(partial, target)
    except OSError as error:
        reason = error.strerror or str(error)
        raise SrlabError(f"{target}: cannot be written ({reason}); choose another place") from None
    finally:
        with suppress(OSError):
            partial.unlink()


@contextmanager
def to_standard_output() -> Iterator[BinaryIO]:
    """A file that goes to standard output when the block has ended well."""
    with tempfile.NamedTemporaryFile() as file:  # tifffile wants a name
        yield cast("BinaryIO", file)
        file.seek(0)
        shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
