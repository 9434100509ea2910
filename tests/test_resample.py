import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.nn.functional import interpolate

from srlab.data.images import list_images, read_pixels
from srlab.data.kernels import KERNELS
from srlab.data.resample import resample
from srlab.data.tensors import to_tensor
from srlab.metrics.protocols import PROTOCOLS
from srlab.metrics.psnr import psnr

PILLOW = {
    "bicubic": Image.Resampling.BICUBIC,
    "bilinear": Image.Resampling.BILINEAR,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
}


def noise(height: int, width: int) -> torch.Tensor:
    return torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(1)).double()


@pytest.mark.parametrize("kernel", PILLOW)
@pytest.mark.parametrize("scale", [1 / 2, 1 / 3, 1 / 4, 2, 3, 4])
def test_agrees_with_pillow_away_from_the_border(kernel: str, scale: float) -> None:
    image = noise(48, 60)
    ours = resample(image, scale=scale, kernel=kernel)
    size = (ours.shape[-1], ours.shape[-2])
    theirs = np.array(Image.fromarray(image[0, 0].float().numpy()).resize(size, PILLOW[kernel]))
    inner = max(4, int(6 * scale))
    difference = ours[0, 0].numpy() - theirs
    assert np.abs(difference[inner:-inner, inner:-inner]).max() < 1e-5


@pytest.mark.parametrize("scale", [1 / 2, 1 / 4, 2, 3, 4])
def test_bicubic_aliased_is_what_torch_does(scale: float) -> None:
    image = noise(24, 36)
    expected = interpolate(image, scale_factor=scale, mode="bicubic", align_corners=False)
    assert torch.allclose(resample(image, scale=scale, kernel="bicubic_aliased"), expected)


@pytest.mark.parametrize("scale", [1 / 3, 1 / 2, 2, 4])
def test_nearest_is_what_torch_does(scale: float) -> None:
    image = noise(24, 36)
    expected = interpolate(image, size=[round(24 * scale), round(36 * scale)], mode="nearest")
    assert torch.equal(resample(image, scale=scale, kernel="nearest"), expected)


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear", "box", "lanczos"])
def test_borders_are_mirrored(kernel: str) -> None:
    image = noise(24, 24)
    pad = 12
    mirrored = torch.from_numpy(
        np.pad(image, [(0, 0), (0, 0), (pad, pad), (pad, pad)], "symmetric")
    )
    whole = resample(mirrored, scale=1 / 3, kernel=kernel)
    assert torch.allclose(resample(image, scale=1 / 3, kernel=kernel), whole[..., 4:-4, 4:-4])


def test_halving_a_ramp_gives_values_worked_out_by_hand() -> None:
    # Keys' kernel with a = -0.5, stretched by two: taps at distances 0.25, 0.75, 1.25, 1.75 of
    # weight 111, 29, -9, -3 by 256. On a ramp they give the middle of two pixels; at the border
    # the mirrored ramp bends.
    ramp = torch.arange(8.0).double().expand(1, 1, 8, 8)
    taps = torch.tensor([-3, -9, 29, 111, 111, 29, -9, -3]).double() / 256
    mirrored = [
        [2, 1, 0, 0, 1, 2, 3, 4],
        [0, 0, 1, 2, 3, 4, 5, 6],
        [1, 2, 3, 4, 5, 6, 7, 7],
        [3, 4, 5, 6, 7, 7, 6, 5],
    ]
    expected = torch.tensor(mirrored).double() @ taps
    assert torch.allclose(resample(ramp, scale=1 / 2)[0, 0, 2], expected)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    scale=st.sampled_from([1 / 4, 1 / 3, 1 / 2, 2, 3, 4]),
    kernel=st.sampled_from(KERNELS),
)
def test_a_flat_image_stays_flat_at_any_size(
    height: int, width: int, scale: float, kernel: str
) -> None:
    image = torch.full((2, 3, height, width), 0.3)
    result = resample(image, scale=scale, kernel=kernel)
    expected = (2, 3, int(np.ceil(height * scale - 1e-9)), int(np.ceil(width * scale - 1e-9)))
    assert result.shape == expected
    assert torch.allclose(result, torch.tensor(0.3), atol=1e-6)


def test_a_size_beside_a_scale_cuts_but_does_not_shift() -> None:
    image = noise(20, 20)
    whole = resample(image, scale=3)
    assert torch.equal(resample(image, scale=3, size=(55, 58)), whole[..., :55, :58])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "needs a scale or a size"),
        ({"scale": 0}, "must be positive"),
        ({"scale": float("nan")}, "must be positive"),
    ],
)
def test_impossible_arguments_are_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resample(torch.zeros(1, 1, 4, 4), **arguments)


def test_integers_and_empty_images_are_refused() -> None:
    with pytest.raises(ValueError, match="floating point"):
        resample(torch.zeros(1, 1, 4, 4, dtype=torch.uint8), scale=2)
    with pytest.raises(ValueError, match="0x4 pixels"):
        resample(torch.zeros(1, 1, 4, 0), scale=2)


PUBLISHED = [  # protocol, dataset, PSNR of bicubic at x2, x3, x4
    ("y", "set5", (33.661, 30.392, 28.421)),
    ("y", "set14", (30.232, 27.541, 26.000)),
    ("y_rgb8", "set5", (33.682, 30.405, 28.431)),
    ("y_rgb8", "set14", (30.236, 27.540, 25.997)),
]


@pytest.mark.parametrize(("protocol", "dataset", "expected"), PUBLISHED)
def test_bicubic_rows_of_the_literature(benchmarks, protocol: str, dataset: str, expected) -> None:
    for scale, value in zip((2, 3, 4), expected, strict=True):
        assert bicubic_psnr(benchmarks / dataset, protocol, scale) == pytest.approx(
            value, abs=0.005
        )


@pytest.mark.parametrize(("dataset", "expected"), [("set5", 25.94), ("set14", 23.10)])
def test_bicubic_under_the_papers_protocol(benchmarks, dataset: str, expected: float) -> None:
    assert bicubic_psnr(benchmarks / dataset, "paper", 4) == pytest.approx(expected, abs=0.01)


def bicubic_psnr(folder, name: str, scale: int) -> float:
    protocol = PROTOCOLS[name]
    values = []
    for path in list_images(folder):
        lr, hr = protocol.pair(to_tensor(read_pixels(path)), scale)
        sr = resample(lr, scale=scale, kernel=protocol.kernel)
        images = (protocol.comparable(image, scale) for image in (sr, hr))
        values.append(psnr(*images).item())
    return sum(values) / len(values)


@pytest.mark.parametrize("kernel", ["bicubic", "nearest"])
def test_gradients_pass_also_where_inference_asked_first(kernel: str) -> None:
    images = torch.rand(1, 1, 17, 13)
    with torch.inference_mode():
        resample(images, scale=3, kernel=kernel)
    images.requires_grad_()
    resample(images, scale=3, kernel=kernel).sum().backward()
    assert images.grad is not None
