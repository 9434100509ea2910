"""Image files as pixels: decoding, and the hash of the pixels.

Datasets hold 8-bit grey or RGB images; anything else is converted to one of the two or refused.
"""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from srlab.errors import SrlabError

SUFFIXES = frozenset({".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff", ".webp"})
"""What counts as an image in a folder or an archive."""


def list_images(folder: Path) -> list[Path]:
    """The image files directly in a folder, sorted by name.

    Raises:
        SrlabError: the folder is missing or holds no image.
    """
    if not folder.is_dir():
        raise SrlabError(f"{folder}: no such folder; run the stage that makes it: dvc repro")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise SrlabError(f"{folder}: no image in it; run the stage that fills it again: dvc repro")
    return paths


def read_size(path: Path) -> tuple[int, int]:
    """(H, W) from the file's header alone.

    Raises:
        SrlabError: the file is not an image.
    """
    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, Image.DecompressionBombError) as error:
        raise SrlabError(f"{path}: not an image that can be read ({error}); replace it") from error


def read_pixels(file: Path | BinaryIO, name: str | None = None) -> np.ndarray:
    """Decode an image to uint8 (H, W) if it is grey, else to uint8 (H, W, 3).

    Args:
        file: a path or an open file.
        name: what errors call it; the path by default.

    Raises:
        SrlabError: the file does not decode, or has more than 8 bits per channel.
    """
    name = name or str(file)
    try:
        with Image.open(file) as image:
            if image.mode.startswith(("I", "F")):
                raise SrlabError(f"{name}: more than 8 bits per channel; convert it to 8 bits")
            mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
            return np.array(image.convert(mode))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise SrlabError(f"{name}: not an image that can be read ({error}); replace it") from error


def pixel_hash(pixels: np.ndarray) -> str:
    """SHA-256 of the shape and the decoded pixels, whatever container they came in."""
    digest = hashlib.sha256("x".join(str(side) for side in pixels.shape).encode() + b"\n")
    digest.update(np.ascontiguousarray(pixels).tobytes())
    return digest.hexdigest()


def write_png(path: Path, pixels: np.ndarray) -> None:
    """Write uint8 (H, W) or (H, W, 3) under a temporary name, then rename it."""
    partial = path.with_name(path.name + ".partial")
    try:
        # Three hundredths larger than at Pillow's level 6, in two fifths of the time.
        Image.fromarray(pixels).save(partial, format="png", compress_level=4)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
