"""Every kind of 8-bit pixels as one of four: grey or RGB, with or without alpha."""

import numpy as np
from PIL import Image

from srlab.errors import SrlabError
from srlab.upscaling import colour

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
"""Pillow's names of them by the number of their channels."""


def converted(
    image: Image.Image, icc: bytes | None = None, notes: list[str] | None = None
) -> Image.Image:
    """An 8-bit image as L, LA, RGB or RGBA.

    Args:
        image: of any mode of 8 bits or fewer.
        icc: the profile of its colours.
        notes: what was changed is added to it, in words.

    Raises:
        SrlabError: its pixels are of another kind.
    """
    notes = [] if notes is None else notes
    has_alpha = image.has_transparency_data
    match image.mode:
        case "1":
            notes.append("one bit per pixel became 8")
            return image.convert("LA" if has_alpha else "L")
        case "L":
            return image.convert("LA") if has_alpha else image
        case "LA" | "La":
            return image.convert("LA")
        case "P" | "PA":
            notes.append("a palette became colours")
            colours = np.reshape(image.getpalette("RGB") or [], (-1, 3))
            is_grey = bool((colours == colours[:, :1]).all())
            return image.convert("RGBA").convert(MODES[(1 if is_grey else 3) + has_alpha])
        case "RGB":
            return image.convert("RGBA") if has_alpha else image
        case "RGBA" | "RGBa":
            return image.convert("RGBA")
        case "CMYK" | "LAB":
            result, note = colour.to_srgb(image, icc)
            notes.append(note)
            return result
        case "RGBX" | "YCbCr" | "HSV":
            return image.convert("RGB")
        case mode:
            raise SrlabError(f"its pixels are of the kind {mode}; convert it to 8 or 16 bits")


def with_transparent_colour(pixels: np.ndarray, key: object) -> np.ndarray:
    """16-bit pixels (H, W, C) with alpha where a PNG declares one colour as transparent."""
    if key is None or pixels.shape[-1] in (2, 4):
        return pixels
    hidden = (pixels == np.asarray(key, np.uint16)).all(axis=-1, keepdims=True)
    return np.concatenate([pixels, np.where(hidden, 0, 65535).astype(np.uint16)], axis=-1)
