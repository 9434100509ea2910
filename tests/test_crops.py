from pathlib import Path

import numpy as np
import pytest
from conftest import make_photo

from srlab.data.images import write_png
from srlab.report.crops import Box, local_variance, most_detailed, most_invented, read_crop


def with_texture(pixels: np.ndarray, left: int, top: int, side: int) -> np.ndarray:
    board = np.indices((side, side)).sum(axis=0)[..., None] % 2 * 60
    changed = pixels.astype(int)
    changed[top : top + side, left : left + side] += board - 30
    return changed.clip(0, 255).astype(np.uint8)


def test_the_crop_is_where_the_detail_is() -> None:
    pixels = with_texture(np.full((60, 80, 3), 100, np.uint8), left=40, top=24, side=16)
    left, top, right, bottom = most_detailed(pixels, 20).edges
    assert (right - left, bottom - top) == (20, 20)
    assert left <= 40 < 56 <= right
    assert top <= 24 < 40 <= bottom
    assert most_detailed(pixels, 999) == Box(0, 0, 60)


def test_invented_texture_is_found_where_it_was_put() -> None:
    hr = make_photo(96, 128)
    box, excess = most_invented(with_texture(hr, left=80, top=40, side=24), hr, side=24)
    assert abs(box.left - 80) <= 2
    assert abs(box.top - 40) <= 2
    assert excess == pytest.approx(900, rel=0.2)  # a board of +-30 has a variance of 900


def test_nothing_is_invented_where_texture_is_lost() -> None:
    hr = with_texture(np.full((64, 64, 3), 100, np.uint8), left=0, top=0, side=64)
    _, excess = most_invented(np.full((64, 64, 3), 100, np.uint8), hr, side=16)
    assert excess < 0


def test_local_variance_agrees_with_numpy() -> None:
    pixels = make_photo(20, 30)[..., 0]
    variance = local_variance(pixels)
    assert variance.shape == (20, 30)
    assert variance[10, 12] == pytest.approx(pixels[7:14, 9:16].astype(float).var())


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (7, 7)])
def test_tiny_images_have_crops_too(shape: tuple[int, int]) -> None:
    pixels = make_photo(*shape)
    assert local_variance(pixels).shape == shape
    assert most_detailed(pixels, 16).side == min(shape)


def test_a_crop_is_enlarged_without_smoothing(tmp_path: Path) -> None:
    pixels = make_photo(60, 60)
    write_png(tmp_path / "a.png", pixels)
    crop = read_crop(tmp_path / "a.png", Box(left=8, top=4, side=32))
    assert crop.shape == (256, 256, 3)
    assert np.array_equal(crop[::8, ::8], pixels[4:36, 8:40])
