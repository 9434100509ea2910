import numpy as np
import pytest
import torch
from conftest import make_photo
from skimage.color import rgb2ycbcr
from skimage.metrics import structural_similarity

from srlab.data.color import luma, quantize, rgb_to_ycbcr, ycbcr_to_rgb
from srlab.data.images import list_images, read_pixels
from srlab.data.resample import resample
from srlab.data.tensors import to_tensor
from srlab.metrics.artefacts import colour_shift, grid
from srlab.metrics.protocols import PROTOCOLS
from srlab.metrics.psnr import psnr
from srlab.metrics.ssim import ssim


def test_psnr_is_taken_for_each_image() -> None:
    sr = torch.stack([torch.full((1, 3, 3), 0.1), torch.full((1, 3, 3), 0.01)])
    assert psnr(sr, torch.zeros_like(sr)).tolist() == pytest.approx([20, 40], abs=1e-5)
    assert psnr(sr, sr).isinf().all()


def test_ssim_agrees_with_scikit_image() -> None:
    random = np.random.default_rng(0)
    hr = make_photo(40, 50)[..., 0] / 255
    sr = (hr + random.normal(0, 0.05, hr.shape)).clip(0, 1)
    _, full = structural_similarity(
        sr,
        hr,
        data_range=1,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        full=True,
    )
    ours = ssim(*(torch.from_numpy(x)[None, None] for x in (sr, hr)))
    assert ours.item() == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-6)


def test_ssim_of_an_image_smaller_than_its_window_is_not_a_number() -> None:
    assert ssim(torch.zeros(2, 1, 10, 30), torch.zeros(2, 1, 10, 30)).isnan().all()


def test_luma_is_bt601_in_studio_range() -> None:
    photo = make_photo(8, 9)
    expected = rgb2ycbcr(photo)
    ours = rgb_to_ycbcr(to_tensor(photo).double())[0].numpy().transpose(1, 2, 0) * 255
    assert np.abs(ours - expected).max() < 1e-4
    white = torch.ones(1, 3, 1, 1)
    assert luma(white).item() * 255 == pytest.approx(235, abs=1e-3)
    assert luma(0 * white).item() * 255 == pytest.approx(16, abs=1e-3)


def test_luma_has_the_same_bits_on_every_processor() -> None:
    levels = np.random.default_rng(0).integers(0, 256, (3, 40, 50)).astype(np.float32)
    red, green, blue = levels / np.float32(255)
    weights = [np.float32(weight / 255) for weight in (65.481, 128.553, 24.966)]
    expected = red * weights[0] + green * weights[1] + blue * weights[2] + np.float32(16 / 255)
    assert np.array_equal(luma(torch.from_numpy(levels / np.float32(255)))[0].numpy(), expected)


def test_colours_survive_the_way_there_and_back() -> None:
    rgb = torch.rand(2, 3, 5, 4).double()
    assert torch.allclose(ycbcr_to_rgb(rgb_to_ycbcr(rgb)), rgb)


def test_a_grey_image_is_its_own_luma() -> None:
    grey = torch.rand(1, 1, 3, 3)
    assert torch.equal(luma(grey), grey)


@pytest.mark.parametrize("name", PROTOCOLS)
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_protocols_crop_to_a_multiple_and_score_what_they_say(name: str, scale: int) -> None:
    protocol = PROTOCOLS[name]
    lr, hr = protocol.pair(to_tensor(make_photo(50, 61)), scale)
    assert lr.shape[-2:] == (50 // scale, 61 // scale)
    assert hr.shape[-2:] == (50 // scale * scale, 61 // scale * scale)
    on_rgb = name in ("paper", "paper_antialiased")
    on_luma = not name.startswith("y_rgb8") and not on_rgb
    assert lr.shape[1] == (1 if on_luma else 3)
    # Kernels that pick pixels, such as nearest, leave 8-bit values as they are.
    if not on_luma or name == "y":
        assert torch.equal(quantize(lr), lr) == (not on_luma)
    compared = protocol.comparable(hr, scale)
    shaved = 0 if on_rgb else 2 * scale
    assert compared.shape[-1] == hr.shape[-1] - shaved
    assert compared.shape[1] == (3 if on_rgb else 1)


SSIM_Y = [("set5", (0.9299, 0.8682, 0.8104)), ("set14", (0.8687, 0.7736, 0.7019))]


@pytest.mark.parametrize(("dataset", "expected"), SSIM_Y)
def test_ssim_rows_of_the_literature(benchmarks, dataset: str, expected) -> None:
    protocol = PROTOCOLS["y"]
    for scale, value in zip((2, 3, 4), expected, strict=True):
        values = []
        for path in list_images(benchmarks / dataset):
            lr, hr = protocol.pair(to_tensor(read_pixels(path)), scale)
            images = (resample(lr, scale=scale), hr)
            values.append(ssim(*(protocol.comparable(image, scale) for image in images)).item())
        assert sum(values) / len(values) == pytest.approx(value, abs=0.0001)


def test_a_colour_shift_is_that_of_the_worst_channel() -> None:
    lr = torch.full((1, 3, 4, 5), 0.5)
    sr = torch.full((1, 3, 16, 20), 0.5)
    assert colour_shift(sr, lr) == 0
    sr[:, 1] += 2 / 255
    sr[:, 2] -= 3 / 255
    assert colour_shift(sr, lr) == pytest.approx(3, abs=1e-3)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_grid_is_what_repeats_with_the_scale(scale: int) -> None:
    smooth = resample(to_tensor(make_photo(40, 37)), scale=scale)
    noise = torch.randn(smooth.shape, generator=torch.Generator().manual_seed(0)) / 255
    assert grid(smooth, smooth, scale) == 0
    assert grid(smooth + noise, smooth, scale) < 0.1
    checkered = smooth.clone()
    checkered[..., ::scale, ::scale] += 4 / 255
    share = 1 / scale**2
    expected = 4 * (share * (1 - share)) ** 0.5
    assert grid(checkered, smooth, scale) == pytest.approx(expected, rel=1e-3)
