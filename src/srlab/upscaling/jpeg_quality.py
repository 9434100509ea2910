"""How strongly a JPEG file was compressed."""

import io
from functools import cache

from PIL import Image, JpegImagePlugin


def jpeg_quality(image: Image.Image) -> int | None:
    """The quality, 1 to 100, at which libjpeg would divide luma about as coarsely.

    Cameras have tables of their own; what they are next to says how visible the squares are. None
    if the image is no JPEG.
    """
    tables = getattr(image, "quantization", None)
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or not tables:
        return None
    coarseness = sum(tables[min(tables)])  # luma's, whatever its number
    return min(range(100, 0, -1), key=lambda quality: abs(_coarseness()[quality] - coarseness))


@cache
def _coarseness() -> dict[int, int]:
    """Quality -> the sum of its table for luma, as Pillow's libjpeg writes it."""
    square = Image.new("L", (8, 8))
    sums = {}
    for quality in range(1, 101):
        file = io.BytesIO()
        square.save(file, "JPEG", quality=quality)
        file.seek(0)
        with JpegImagePlugin.JpegImageFile(file) as written:
            sums[quality] = sum(written.quantization[0])
    return sums
