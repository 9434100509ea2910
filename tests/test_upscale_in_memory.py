"""`from srlab import upscale, load`: pictures in memory come out as the kind that went in."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_photo
from PIL import Image
from test_weights import SETTINGS, card

import srlab
from srlab import load, upscale
from srlab.data.resample import resample
from srlab.data.tensors import to_tensor
from srlab.errors import SrlabError
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.weights import Card, save_weights


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "1", "P", "CMYK"])
def test_pil_images(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(make_photo(12, 9)[..., 0].astype(np.uint16) * 257)
    else:
        image = Image.fromarray(make_photo(12, 9)).convert(mode)
    image.info = {"icc_profile": b"profile", "exif": b"Exif\0\0II", "dpi": (72, 72), "other": 1}
    large = upscale(image, scale=2.5, model="bicubic")
    assert isinstance(large, Image.Image)
    assert large.size == (23, 30)
    assert large.mode == {"1": "L", "P": "RGB", "CMYK": "RGB"}.get(mode, mode)
    kept = {"exif", "dpi"} if mode == "CMYK" else {"icc_profile", "exif", "dpi"}
    assert set(large.info) == kept


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 1), (8, 9, 2), (8, 9, 3), (8, 9, 4)])
def test_arrays(dtype, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).uniform(0.1, 1, shape)  # nothing is hidden
    largest = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    image = (values * largest).astype(dtype)
    large = upscale(image, scale=3, model="bicubic")
    assert large.dtype == dtype
    assert large.shape == (24, 27, *shape[2:])
    planes = torch.from_numpy(image.astype(np.float64) / largest).reshape(8, 9, -1).permute(2, 0, 1)
    exact = resample(planes, scale=3).clamp(0, 1).permute(1, 2, 0).reshape(large.shape).numpy()
    assert np.abs(large / largest - exact).max() < (0.51 / largest if largest > 1 else 1e-6) + 2e-6


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16, torch.float32, torch.float64])
def test_tensors(dtype: torch.dtype) -> None:
    image = (torch.rand(2, 3, 8, 9) * (1 if dtype.is_floating_point else 255)).to(dtype)
    large = upscale(image, scale=2, model="bicubic")
    assert large.dtype == dtype
    assert large.shape == (2, 3, 16, 18)
    assert torch.equal(upscale(image[1], scale=2, model="bicubic"), large[1])


def test_the_three_kinds_agree() -> None:
    photo = make_photo(20, 30)
    array = upscale(photo, scale=2, model="lanczos")
    assert np.array_equal(np.asarray(upscale(Image.fromarray(photo), 2, model="lanczos")), array)
    tensor = upscale(torch.from_numpy(photo).permute(2, 0, 1)[None], 2, model="lanczos")
    assert np.array_equal(tensor[0].permute(1, 2, 0).numpy(), array)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("photo.png", "a str is no picture"),
        (np.zeros((4, 4, 5), np.uint8), r"shape \(4, 4, 5\); give"),
        (np.zeros((0, 4), np.uint8), r"shape \(0, 4\); give"),
        (np.zeros((4, 4), np.int32), "type int32; give uint8"),
        (np.full((4, 4), np.nan), "not finite"),
        (torch.zeros(4), r"shape \(4,\); give"),
        (torch.zeros(1, 3, 4, 4, dtype=torch.bfloat16), "type torch.bfloat16; give"),
        (Image.new("F", (4, 4)), "of the kind F"),
    ],
)
def test_what_is_no_picture_is_said(image, said: str) -> None:
    with pytest.raises(SrlabError, match=said):
        upscale(image, model="bicubic")


def weights(folder: Path, name: str, seed: int = 0, features: int = 4) -> Path:
    torch.manual_seed(seed)
    settings = {"scale": 2, "residual_blocks": 1, "features": features, "bicubic_skip": True}
    network = SRResNet(**settings).eval()
    torch.nn.init.normal_(network.upsampler[-1].weight, std=0.01)
    path = folder / f"{name}.safetensors"
    save_weights(network, Card("srresnet", settings, [2], "p", "d", None, "f"), path)
    return path


def test_weights_by_path(tmp_path: Path) -> None:
    path = weights(tmp_path, "srgan")
    model = load(path)
    assert model.scales == (2,)
    photo = make_photo(20, 24)
    large = model.upscale(photo, scale=2)
    assert np.array_equal(large, upscale(photo, 2, model=str(path)))
    assert not np.array_equal(large, upscale(photo, 2, model="bicubic"))
    assert upscale(photo, 3, model=model, ensemble=True, consistent=True).shape == (60, 72, 3)
    near = load(path, precision="bf16").upscale(photo, 2)
    assert 0 < np.abs(near.astype(int) - large).mean() < 1


def test_memnet_by_path(tmp_path: Path) -> None:
    network = MemNet(**SETTINGS).eval()
    torch.nn.init.normal_(network.reconstruction.weight)
    save_weights(network, card(), tmp_path / "memnet.safetensors")
    model = load(tmp_path / "memnet.safetensors")
    assert model.scales == (2, 3, 4)
    assert model.upscale(make_photo(9, 8), 3).shape == (27, 24, 3)


def test_strength_lies_between_two_networks(tmp_path: Path) -> None:
    start, end = weights(tmp_path, "srresnet", 1), weights(tmp_path, "srgan", 2)
    photo = make_photo(20, 24)
    full = upscale(photo, 2, model=end)
    assert np.array_equal(upscale(photo, 2, model=end, strength=1), full)
    assert np.array_equal(upscale(photo, 2, model=end, strength=0), upscale(photo, 2, model=start))
    between = upscale(photo, 2, model=end, strength=0.5)
    assert not np.array_equal(between, full)
    with pytest.raises(SrlabError, match="loaded already; give the strength to load"):
        upscale(photo, 2, model=load(end), strength=0.5)
    with pytest.raises(SrlabError, match="a strength of 2: choose"):
        load(end, strength=2)
    with pytest.raises(SrlabError, match="has no strength"):
        load("bicubic", strength=0.5)
    with pytest.raises(SrlabError, match="has no strength"):
        load(start, strength=0.5)
    alone = weights(tmp_path / "alone", "srgan")
    with pytest.raises(SrlabError, match=r"its strength needs .*alone/srresnet\.safetensors"):
        load(alone, strength=0.5)


def test_a_device_or_precision_that_is_not_there_is_said() -> None:
    with pytest.raises(SrlabError, match=r"cuda:7: no such device here; choose auto or cpu"):
        load("bicubic", device="cuda:7")
    with pytest.raises(SrlabError, match=r"fp8: no such precision; choose auto, float32, bf16"):
        load("bicubic", precision="fp8")


def trained() -> torch.nn.Module:
    """A small network that has learnt for a moment to enlarge photos."""
    torch.manual_seed(0)
    network = SRResNet(
        scale=2, residual_blocks=1, features=8, batch_norm=False, bicubic_skip=True, outer_kernel=3
    )
    optimizer = torch.optim.Adam(network.parameters(), 2e-3)
    for step in range(40):
        hr = to_tensor(make_photo(64, 64, seed=step % 8))
        loss = (network(resample(hr, scale=0.5)) - hr).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def test_colours_are_kept(tmp_path: Path) -> None:
    settings = {"scale": 2, "residual_blocks": 1, "features": 8, "batch_norm": False}
    settings |= {"bicubic_skip": True, "outer_kernel": 3}
    path = tmp_path / "trained.safetensors"
    save_weights(trained(), Card("srresnet", settings, [2], "p", "d", None, "f"), path)
    hr = to_tensor(make_photo(120, 160, seed=99))
    lr = (resample(hr, scale=0.5).clamp(0, 1) * 255).round() / 255
    errors = {}
    for consistent in (False, True):
        large = upscale(lr, 2, model=path, consistent=consistent)
        back = (large * 255).round() / 255
        errors[consistent] = (resample(back, scale=0.5) - lr).abs().mean().item() * 255
    assert errors[False] < 1
    assert errors[True] < errors[False] / 2


def test_importing_srlab_is_fast_and_brings_no_torch() -> None:
    code = "import sys, srlab; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert {"load", "upscale"} <= set(dir(srlab))
    with pytest.raises(AttributeError, match="no attribute 'upscal'"):
        _ = srlab.upscal
