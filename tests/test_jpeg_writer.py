import io
import itertools

import numpy as np
import pytest
from conftest import make_photo
from PIL import Image

from srlab.upscaling.jpeg_writer import write_jpeg

COMPRESSION = {"quality": 95, "subsampling": "4:4:4"}


def written(pixels: np.ndarray, heights: list[int], metadata: dict) -> bytes:
    """A JPEG of bands of those heights, over and over."""
    bands, top = [], 0
    for height in itertools.cycle(heights):
        if top >= len(pixels):
            break
        bands.append(pixels[top : top + height])
        top += height
    file = io.BytesIO()
    write_jpeg(file, bands, pixels.shape, COMPRESSION, metadata)
    return file.getvalue()


@pytest.mark.parametrize("heights", [[8], [1], [3, 40, 5], [16, 7], [1000]], ids=str)
@pytest.mark.parametrize("shape", [(161, 45, 3), (160, 8, 3), (5, 300, 1), (90, 33, 1)], ids=str)
def test_bands_give_the_picture_that_pillow_writes_at_once(
    shape: tuple[int, int, int], heights: list[int]
) -> None:
    height, width, channels = shape
    pixels = make_photo(height, width)[..., :channels]
    data = written(pixels, heights, {})
    whole = io.BytesIO()
    image = Image.fromarray(pixels if channels == 3 else pixels[..., 0])
    image.save(whole, "jpeg", restart_marker_rows=1, **COMPRESSION)
    assert data == whole.getvalue()
    plain = io.BytesIO()
    image.save(plain, "jpeg", **COMPRESSION)
    ours, pillows = (Image.open(io.BytesIO(file)) for file in (data, plain.getvalue()))
    assert np.array_equal(np.asarray(ours), np.asarray(pillows))


def test_metadata_are_written_once() -> None:
    exif = Image.Exif()
    exif[0x0110] = "a camera"
    metadata = {"exif": exif.tobytes(), "comment": b"by the sea", "dpi": (300, 300)}
    data = written(make_photo(64, 40), [24], metadata)
    image = Image.open(io.BytesIO(data))
    assert image.getexif()[0x0110] == "a camera"
    assert image.info["comment"] == b"by the sea"
    assert image.info["dpi"] == (300, 300)
    assert data.count(b"a camera") == data.count(b"by the sea") == 1


def test_an_error_in_the_middle_is_not_hidden() -> None:
    def bands():
        yield make_photo(16, 16)
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        write_jpeg(io.BytesIO(), bands(), (32, 16, 3), COMPRESSION, {})
