"""Pictures as WebP, the format in which pages carry them."""

import base64
import io

import numpy as np
from PIL import Image

LARGEST_SIDE = 16383
"""WebP has no larger pictures."""


def encode_webp(pixels: np.ndarray, quality: int | None = None) -> bytes:
    """uint8 (H, W) or (H, W, 3) -> a WebP file: without loss, or of a quality from 0 to 100.

    Raises:
        ValueError: a side is longer than `LARGEST_SIDE`.
    """
    if max(pixels.shape[:2]) > LARGEST_SIDE:
        raise ValueError(f"WebP has no side longer than {LARGEST_SIDE} pixels")
    file = io.BytesIO()
    image = Image.fromarray(pixels).convert("RGB")
    if quality is None:
        # Method 6 takes twenty times as long as 4 and saves one percent.
        image.save(file, format="webp", lossless=True, quality=75, method=4)
    else:
        image.save(file, format="webp", quality=quality, method=4)
    return file.getvalue()


def data_uri(webp: bytes) -> str:
    """A WebP file as the address of an <img>."""
    return "data:image/webp;base64," + base64.b64encode(webp).decode("ascii")
