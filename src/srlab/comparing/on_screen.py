"""Pixels as a screen shows them: 8 bits, sRGB, transparency over a checkerboard."""

import io

import numpy as np
from PIL import Image, ImageCms

from srlab.upscaling import colour

_SQUARE = 8
_CHECKERBOARD = (255, 214)


def on_screen(pixels: np.ndarray, icc: bytes | None = None) -> np.ndarray:
    """uint8 or uint16 (H, W, C) -> uint8 (H, W) if they are grey, else (H, W, 3).

    Args:
        pixels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha.
        icc: profile of their colours; None stands for sRGB. A damaged one is not looked at.
    """
    if pixels.dtype != np.uint8:
        pixels = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
    colours, alpha = pixels, None
    if pixels.shape[-1] in (2, 4):
        colours, alpha = pixels[..., :-1], pixels[..., -1:]
    if icc is not None and colour.fits(icc, colours.shape[-1]):
        colours = _in_srgb(colours, icc)
    if alpha is not None:
        colours = _over_checkerboard(colours, alpha)
    return colours[..., 0] if colours.shape[-1] == 1 else colours


def _in_srgb(colours: np.ndarray, icc: bytes) -> np.ndarray:
    plane = colours[..., 0] if colours.shape[-1] == 1 else colours
    image = Image.fromarray(np.ascontiguousarray(plane))
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        srgb = ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, profile, srgb, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return colours
    return np.asarray(converted)


def _over_checkerboard(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    height, width = alpha.shape[:2]
    rows, columns = np.ogrid[:height, :width]
    below = np.where((rows // _SQUARE + columns // _SQUARE) % 2, *_CHECKERBOARD)[..., None]
    opacity = alpha.astype(np.float32) / 255
    return np.rint(colours * opacity + below * (1 - opacity)).astype(np.uint8)
