"""A picture in a request or an answer: a PNG file as text, or its pixels as lists of numbers."""

import base64
import binascii
import io
import struct
import zlib
from typing import Annotated, Any

import numpy as np
from PIL import Image
from pydantic import (
    BaseModel,
    BeforeValidator,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from srlab.errors import SrlabError

LARGEST = 2**26
"""Pixels of a picture, sent or made; more would need more memory than one request may have."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = ("icc_profile", "exif", "dpi")


def _as_lists(pixels: Any) -> Any:
    return pixels.tolist() if isinstance(pixels, np.ndarray) else pixels


class Picture(BaseModel):
    """Exactly one of the two is given, and the same one comes back."""

    png: str | None = None
    """A PNG file in base64; of an animation the first frame is seen."""
    pixels: Annotated[list[list[list[int]]] | None, BeforeValidator(_as_lists)] = None
    """(h, w, C) from 0 to 255; C is 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha."""

    @model_serializer(mode="wrap")
    def _given(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Without what is not there."""
        return {name: value for name, value in write(self).items() if value is not None}


class Answer(Picture):
    """What became of a picture."""

    error: str | None = None
    """Why it could not be enlarged, instead; that of one picture does not concern the others."""


def decode(picture: Picture) -> Image.Image | np.ndarray:
    """A PNG file as an image, pixels as an array, uint8 (h, w, C).

    Raises:
        SrlabError: it is not what `Picture` describes, or larger than `LARGEST`.
    """
    match picture:
        case Picture(png=str(text), pixels=None):
            return _decode_png(text)
        case Picture(png=None, pixels=list(rows)):
            return _decode_pixels(rows)
    raise SrlabError("a picture is either png or pixels; give one of them")


def to_png(image: Image.Image) -> str:
    """An image as a PNG file in base64, with its profile, EXIF and resolution."""
    file = io.BytesIO()
    image.save(file, "png", **{key: image.info[key] for key in _KEPT if key in image.info})
    return base64.b64encode(file.getvalue()).decode("ascii")


def check_size(size: tuple[int, int]) -> None:
    """Refuse a picture (W, H) of more than `LARGEST` pixels.

    Raises:
        SrlabError: it is one.
    """
    width, height = size
    if width * height > LARGEST:
        raise SrlabError(
            f"{width}x{height} pixels are more than the {LARGEST:,} of one request; send parts, or "
            "use: srlab upscale"
        )


def _decode_png(text: str) -> Image.Image:
    try:
        data = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SrlabError(f"png: not base64 ({error})") from None
    # Of all that Pillow reads, strangers may only send what they need to.
    if not data.startswith(_SIGNATURE):
        raise SrlabError("png: not a PNG file; send one, in base64")
    try:
        image = Image.open(io.BytesIO(data), formats=["PNG"])
        check_size(image.size)
        image.load()
    except (
        *(OSError, SyntaxError, ValueError, struct.error, zlib.error),
        Image.DecompressionBombError,
    ) as error:
        raise SrlabError(f"png: damaged, or not a PNG file ({error})") from None
    return image


def _decode_pixels(rows: list[list[list[int]]]) -> np.ndarray:
    try:
        pixels = np.array(rows)
    except ValueError:
        raise SrlabError("pixels: rows or pixels differ in length; send (h, w, C)") from None
    if pixels.ndim != 3 or 0 in pixels.shape or pixels.shape[-1] > 4:
        raise SrlabError(f"pixels: of shape {pixels.shape}; send (h, w, C) with C from 1 to 4")
    if pixels.min() < 0 or pixels.max() > 255:
        raise SrlabError("pixels: numbers outside of 0 to 255")
    check_size((pixels.shape[1], pixels.shape[0]))
    return pixels.astype(np.uint8)
