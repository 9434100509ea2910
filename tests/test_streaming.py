"""Image files are enlarged band by band, to what the whole image gives."""

from pathlib import Path

import numpy as np
import psutil
import pytest
import tifffile
import torch
from conftest import make_photo
from PIL import Image
from test_folded import as_if_trained

from srlab.data.images import read_pixels, to_pixels, to_tensor
from srlab.errors import SrlabError
from srlab.inference.png_stream import write_png_stream
from srlab.inference.receptive import KERNEL_RADIUS, lr_radius
from srlab.inference.rows import DecodedRows, RawRows, open_rows
from srlab.inference.streaming import WRITERS, enlarge_file, enlarged_bands
from srlab.inference.upscalers import EnlargedLuma, EnlargingRgb, Interpolation, Upscaler
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet

MEMNET = as_if_trained(MemNet(memory_blocks=1, residual_units=1, features=4))
SRRESNET = as_if_trained(SRResNet(scale=3, residual_blocks=1, features=4, bicubic_skip=True))
UPSCALERS: list[tuple[Upscaler, int, int]] = [
    (Interpolation("bicubic"), 4, KERNEL_RADIUS["bicubic"]),
    (EnlargedLuma(MEMNET), 2, lr_radius(MEMNET, 2)),
    (EnlargingRgb(SRRESNET, 3), 3, lr_radius(SRRESNET, 3)),
]


@pytest.mark.parametrize(("upscaler", "scale", "overlap"), UPSCALERS)
@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.parametrize("grey", [False, True])
def test_a_file_is_enlarged_as_the_whole_image(
    upscaler, scale, overlap, suffix, grey, tmp_path: Path
) -> None:
    photo = make_photo(83, 61)
    pixels = photo[..., 0] if grey else photo
    source, target = tmp_path / "lr.png", tmp_path / f"sr{suffix}"
    Image.fromarray(pixels).save(source)
    enlarge_file(source, target, upscaler, scale, tile=2 * overlap + 17, overlap=overlap)
    result = read_pixels(target)
    expected = to_pixels(upscaler(to_tensor(pixels), scale))
    assert result.shape == expected.shape
    # A value that lies between two levels may be rounded either way.
    difference = np.abs(result.astype(int) - expected)
    assert difference.max() <= 1
    assert difference.mean() < 1e-3
    assert list(tmp_path.glob("*.partial")) == []


def test_without_arithmetic_every_byte_is_the_same(tmp_path: Path) -> None:
    pixels = make_photo(57, 41)
    source = tmp_path / "lr.png"
    Image.fromarray(pixels).save(source)
    for suffix in WRITERS:
        target = tmp_path / f"sr{suffix}"
        enlarge_file(source, target, Interpolation("nearest"), 3, tile=10, overlap=0)
        assert np.array_equal(read_pixels(target), pixels.repeat(3, axis=0).repeat(3, axis=1))


class EndlessPhoto:
    """Rows that are made when they are read."""

    def __init__(self, height: int, width: int) -> None:
        self.shape = (height, width, 3)
        self._tile = make_photo(64, width)

    def read(self, start: int, stop: int) -> np.ndarray:
        return self._tile[np.arange(start, stop) % 64]


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_memory_does_not_grow_with_the_height(suffix: str, tmp_path: Path) -> None:
    rows = EndlessPhoto(8_000, 64)
    used: list[int] = []

    def bands():
        for band in enlarged_bands(rows, Interpolation("bicubic"), 4, tile=64, overlap=2):
            used.append(psutil.Process().memory_info().rss)
            yield band

    shape = (32_000, 256, 3)
    with (tmp_path / f"sr{suffix}").open("wb") as file:
        WRITERS[suffix](file, bands(), shape)
    result = shape[0] * shape[1] * shape[2]
    assert max(used) - used[20] < result / 8
    with Image.open(tmp_path / f"sr{suffix}") as image:
        assert image.size == (256, 32_000)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5, 3), (7, 1, 3), (300, 3)])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_every_shape_can_be_written(shape: tuple[int, ...], suffix: str, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    path = tmp_path / f"image{suffix}"
    with path.open("wb") as file:
        WRITERS[suffix](
            file, (pixels[start : start + 9] for start in range(0, len(pixels), 9)), shape
        )
    assert np.array_equal(read_pixels(path), pixels)


def test_a_png_is_as_small_as_pillows(tmp_path: Path) -> None:
    pixels = to_pixels(Interpolation("bicubic")(to_tensor(make_photo(60, 80)), 4))
    ours, theirs = tmp_path / "ours.png", tmp_path / "theirs.png"
    with ours.open("wb") as file:
        write_png_stream(file, [pixels], pixels.shape)
    Image.fromarray(pixels).save(theirs)
    assert ours.stat().st_size < 1.1 * theirs.stat().st_size


@pytest.mark.parametrize("grey", [False, True])
def test_a_plain_tiff_is_read_piece_by_piece(grey: bool, tmp_path: Path) -> None:
    photo = make_photo(50, 31)
    pixels = photo[..., 0] if grey else photo
    path = tmp_path / "plain.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack" if grey else "rgb", rowsperstrip=7)
    with open_rows(path) as rows:
        assert isinstance(rows, RawRows)
        assert rows.shape == pixels.shape
        assert np.array_equal(rows.read(11, 29), pixels[11:29])


@pytest.mark.parametrize(
    "options",
    [
        {"compression": "zlib", "photometric": "rgb"},
        {"planarconfig": "separate", "photometric": "rgb"},
        {"tile": (16, 16), "photometric": "rgb"},
    ],
    ids=["compressed", "planes", "tiles"],
)
def test_any_other_tiff_is_decoded(options: dict, tmp_path: Path) -> None:
    pixels = make_photo(50, 31)
    path = tmp_path / "other.tif"
    planes = options.get("planarconfig") == "separate"
    tifffile.imwrite(path, pixels.transpose(2, 0, 1) if planes else pixels, **options)
    with open_rows(path) as rows:
        assert isinstance(rows, DecodedRows)
        assert np.array_equal(rows.read(11, 29), pixels[11:29])


def test_a_bad_source_is_said_and_leaves_the_target(tmp_path: Path) -> None:
    source, target = tmp_path / "bad.tif", tmp_path / "sr.png"
    target.write_bytes(b"before")
    tifffile.imwrite(source, make_photo(50, 31), photometric="rgb")
    source.write_bytes(source.read_bytes()[:2000])
    bicubic = Interpolation("bicubic")
    with pytest.raises(SrlabError, match="not an image that can be read"):
        enlarge_file(source, target, bicubic, 2, tile=16, overlap=2)
    with pytest.raises(SrlabError, match="not an image that can be read"):
        enlarge_file(tmp_path / "none.png", target, bicubic, 2, tile=16, overlap=2)
    assert target.read_bytes() == b"before"


def test_a_failure_on_the_way_leaves_nothing(photos: Path, tmp_path: Path) -> None:
    class Failing(Interpolation):
        calls = 0

        def __call__(self, lr: torch.Tensor, scale: int) -> torch.Tensor:
            self.calls += 1
            if self.calls == 5:
                raise ZeroDivisionError
            return super().__call__(lr, scale)

    target = tmp_path / "sr.png"
    with pytest.raises(ZeroDivisionError):
        enlarge_file(photos / "photo0.png", target, Failing("bicubic"), 2, tile=16, overlap=2)
    assert not target.exists()
    assert list(tmp_path.glob("*.partial")) == []


def test_a_target_that_cannot_be_written_is_said(photos: Path, tmp_path: Path) -> None:
    source, bicubic = photos / "photo0.png", Interpolation("bicubic")
    with pytest.raises(SrlabError, match=r"cannot be written piece by piece; name it \.png or"):
        enlarge_file(source, tmp_path / "sr.jpg", bicubic, 2, tile=16, overlap=2)
    with pytest.raises(SrlabError, match=r"cannot be written .*choose another place"):
        enlarge_file(source, tmp_path / "none" / "sr.png", bicubic, 2, tile=16, overlap=2)
