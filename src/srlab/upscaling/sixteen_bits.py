"""16 bits per channel out of Pillow, which has no place for them.

Pillow keeps 16 bits of grey images only; of others it keeps the upper byte of each value. But it
unpacks both byte orders, so an image is decoded twice: once as it is, and once as if its bytes were
in the other order, where the lower ones are kept. Pillow's decoders do the rest, such as PNG's
filters and interlacing and TIFF's compressions.
"""

from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile


def read_png(image: ImageFile.ImageFile, file: BinaryIO) -> np.ndarray:
    """A 16-bit PNG as uint16 (H, W, C).

    A colour that is declared transparent is not looked at.

    Args:
        image: as Pillow opened the file; it is loaded.
        file: is read once more.

    Raises:
        OSError, SyntaxError, ValueError: as Pillow does.
    """
    mode, _, _ = _raw(image).partition(";16")
    if mode == "I":
        return np.asarray(image).astype(np.uint16)[..., None]
    if mode == "LA":
        # Two values of 16 bits lie as four of 8 bits do.
        values = _decoded(image, "RGBA", "RGBA")
        return _joined(values[..., ::2], values[..., 1::2])
    upper = _decoded(image, mode, f"{mode};16B")
    return _joined(upper, _decoded(_reopened(file), mode, f"{mode};16L"))


def read_tiff(file: BinaryIO) -> np.ndarray:
    """A 16-bit RGB or RGBA TIFF as uint16 (H, W, C), upright; alpha may be multiplied in.

    Raises:
        OSError, SyntaxError, ValueError: as Pillow does.
    """
    image = _reopened(file)
    kind, _, order = _raw(image).partition(";16")
    mode = kind.upper()  # RGBa, alpha multiplied in, is divided by whoever asks
    if not order or mode not in ("RGB", "RGBA"):
        raise ValueError(f"16-bit pixels of the kind {image.mode} cannot be decoded")
    first = _decoded(image, mode, f"{mode};16B")
    second = _decoded(_reopened(file), mode, f"{mode};16L")
    # libtiff gives this machine's order ("N"), which is little on all that torch runs on.
    return _joined(first, second) if order == "B" else _joined(second, first)


def _reopened(file: BinaryIO) -> ImageFile.ImageFile:
    file.seek(0)
    return Image.open(file, formats=["PNG", "TIFF"])


def _raw(image: ImageFile.ImageFile) -> str:
    """How Pillow unpacks the image's bytes, such as RGB;16B."""
    args = image.tile[0].args
    return str(args[0] if isinstance(args, tuple) else args)


def _decoded(image: ImageFile.ImageFile, mode: str, raw: str) -> np.ndarray:
    image._mode = mode
    image.tile = [
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw)
        for tile in image.tile
    ]
    image.load()
    return np.asarray(image)


def _joined(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    return upper.astype(np.uint16) << 8 | lower
