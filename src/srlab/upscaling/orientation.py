"""Turning pixels upright as EXIF's orientation says (Exif 3.0, section 4.6.5, tag 274)."""

import re

import numpy as np

_IN_XMP = re.compile(
    rb"(tiff:Orientation\s*=\s*[\"'])\d([\"'])|(<tiff:Orientation>)\d(</tiff:Orientation>)"
)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(H, W, C) or (H, W) as it is to be looked at; a view.

    Args:
        orientation: 1 to 8; 6 is a picture that must be turned clockwise by a right angle.
    """
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def turned(pair: tuple[float, float] | tuple[int, int], orientation: int) -> tuple:
    """(across, down) of something, as it is once the pixels are upright."""
    return pair[::-1] if orientation >= 5 else pair


def upright_xmp(xmp: bytes) -> bytes:
    """XMP whose copy of the orientation says upright, too."""
    return _IN_XMP.sub(rb"\g<1>\g<3>1\g<2>\g<4>", xmp)
