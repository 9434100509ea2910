import io

import numpy as np
import pytest
import torch
from conftest import make_photo
from PIL import Image

from srlab.data.color import luma
from srlab.data.jpeg import Jpeg, drawn
from srlab.data.tensors import to_tensor
from srlab.metrics.protocols import PROTOCOLS
from srlab.metrics.psnr import psnr


def test_it_is_what_pillow_reads_again() -> None:
    pixels = make_photo(37, 50)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=60)  # 4:2:0 is Pillow's default
    expected = to_tensor(np.array(Image.open(file)))
    assert torch.equal(Jpeg(60).saved(to_tensor(pixels)), expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_keeps_the_form_and_loses_with_the_quality(channels: int, dtype: torch.dtype) -> None:
    image = to_tensor(make_photo(50, 61))[:, :channels].to(dtype)
    losses = []
    for quality in (95, 75, 40, 10):
        saved = Jpeg(quality, (3, 11)).saved(image)
        assert saved.shape == image.shape
        assert saved.dtype == dtype
        losses.append(float((saved - image).square().mean()))
    assert 0 < losses[0] < losses[1] < losses[2] < losses[3]


def test_squares_begin_where_the_offset_says() -> None:
    """A ramp across keeps, at the lowest quality, one value for each column of squares."""
    ramp = torch.linspace(0.2, 0.8, 40).expand(1, 1, 40, 40)
    for offset in (0, 3):
        row = Jpeg(1, (0, offset)).saved(ramp)[0, 0, 20]
        steps = torch.nonzero(row.diff().abs() > 1e-6).flatten() + 1
        assert len(steps) > 0
        assert all((int(step) + offset) % 8 == 0 for step in steps)


def test_a_name_draws_always_the_same() -> None:
    assert drawn("a x4", 30, 95) == drawn("a x4", 30, 95)
    many = [drawn(str(number), 30, 95) for number in range(2000)]
    assert {jpeg.quality for jpeg in many} == set(range(30, 96))
    assert {jpeg.offset for jpeg in many} == {(y, x) for y in range(16) for x in range(16)}


@pytest.mark.parametrize("scale", [2, 4])
def test_protocols_of_jpeg_files_shrink_as_the_usual_one_does(scale: int) -> None:
    photo = to_tensor(make_photo(96, 120))
    usual, truth = PROTOCOLS["y_rgb8"].pair(photo, scale)
    lost = []
    for quality in (90, 75, 40):
        lr, hr = PROTOCOLS[f"y_rgb8_jpeg{quality}"].pair(photo, scale)
        assert torch.equal(hr, truth)
        assert torch.equal(lr, Jpeg(quality).saved(usual))
        lost.append(psnr(luma(lr), luma(usual)).item())
    assert 20 < lost[2] < lost[1] < lost[0] < 60
