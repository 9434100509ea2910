"""What the slider shows: the photo before and after, or of large results a part of them."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from srlab.comparing.detail import detail
from srlab.comparing.on_screen import on_screen
from srlab.comparing.subject import first_frame
from srlab.errors import SrlabError
from srlab.report.crops import Box
from srlab.upscaling.hidden_colour import filled
from srlab.upscaling.model import Model, load
from srlab.upscaling.regions import Enlargement, Options, Progress

LARGEST = 8_000_000
"""Pixels of a result that is shown whole; browsers move larger ones slowly."""
_SIDE = 1600
"""Side of what is shown of larger ones, in pixels of the result."""
_THUMBNAIL = 1600
_ANY = 1e6
"""Megapixels: what is too large was refused before."""
_QUALITY = 95


@dataclass(frozen=True)
class BeforeAfter:
    """Two JPEG files of one size."""

    before: Path
    """Enlarged by interpolation, as any viewer would."""
    after: Path
    is_part: bool
    """Whether the result is too large to be shown whole."""


def thumbnail(photo: Path, target: Path) -> None:
    """Write a photo as JPEG for a browser.

    Raises:
        SrlabError: it is damaged.
    """
    try:
        image = Image.fromarray(_shown(photo))
    except SrlabError as error:
        raise SrlabError(f"{photo.name}: {error}") from None
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    image.save(target, "jpeg", quality=_QUALITY)


def before_after(
    photo: Path, result: Path, scale: int, model: Model, folder: Path, progress: Progress
) -> BeforeAfter:
    """Write what the slider shows into a folder.

    Args:
        photo: what was enlarged.
        result: the file that it became.
        scale: the factor between them.
        model: what enlarged it.
        folder: for the two files.
        progress: see `srlab.upscaling.regions.Progress`.
    """
    pixels, icc = first_frame(photo, _ANY)
    is_part = pixels.shape[0] * pixels.shape[1] * scale**2 > LARGEST
    if is_part:
        # Enlarged once more: decoding hundreds of megapixels would take longer, and much memory.
        box = detail(pixels, math.ceil(_SIDE / scale))
        after = on_screen(_part(pixels, box, scale, model, progress), icc)
        pixels = box.inside(pixels)
    else:
        after = _shown(result)
    before = on_screen(_enlarged(pixels, scale, load("bicubic"), progress), icc)
    files = BeforeAfter(folder / "before.jpg", folder / "after.jpg", is_part)
    for shown, path in ((before, files.before), (after, files.after)):
        Image.fromarray(shown).save(path, "jpeg", quality=_QUALITY, subsampling=0)
    return files


def _part(pixels: np.ndarray, box: Box, scale: int, model: Model, progress: Progress) -> np.ndarray:
    """What of the result lies in a square of the photo, the same to the pixel."""
    left, top, right, bottom = box.edges
    # With what is around the square, as far as the network looks.
    around = Enlargement(pixels, model, _size(pixels, scale), Options()).overlap
    first_row, first_column = max(0, top - around), max(0, left - around)
    seen = pixels[first_row : bottom + around, first_column : right + around]
    inner = Box(scale * (left - first_column), scale * (top - first_row), scale * box.side)
    return inner.inside(_enlarged(seen, scale, model, progress))


def _enlarged(pixels: np.ndarray, scale: int, model: Model, progress: Progress) -> np.ndarray:
    known = filled(pixels) if pixels.shape[-1] in (2, 4) else pixels
    work = Enlargement(known, model, _size(pixels, scale), Options())
    return np.concatenate(list(work.bands(progress)))


def _size(pixels: np.ndarray, scale: int) -> tuple[int, int]:
    return scale * pixels.shape[1], scale * pixels.shape[0]


def _shown(path: Path) -> np.ndarray:
    return on_screen(*first_frame(path, _ANY))
