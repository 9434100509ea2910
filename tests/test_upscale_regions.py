"""Regions give what the whole picture gives, in any size and with every option."""

import numpy as np
import pytest
import torch
from conftest import make_photo
from hypothesis import given, settings
from hypothesis import strategies as st
from test_folded import as_if_trained
from torch import nn

from srlab.data.resample import resample
from srlab.data.tensors import to_tensor
from srlab.errors import SrlabError
from srlab.inference.folded import fold
from srlab.inference.receptive import lr_radius
from srlab.inference.upscalers import EnlargedLuma, EnlargingRgb, Upscaler
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.upscaling.ensemble import Ensemble
from srlab.upscaling.model import Model, load
from srlab.upscaling.regions import Enlargement, Options
from srlab.upscaling.sizes import Sizing
from srlab.upscaling.window import Axis, resampled_part


def model_of(network: nn.Module, upscaler: Upscaler, scales: tuple[int, ...]) -> Model:
    return Model(
        name="made here",
        upscaler=upscaler,
        scales=scales,
        kernel="bicubic",
        device=torch.device("cpu"),
        radius=lambda scale: lr_radius(network, scale),
    )


def memnet() -> Model:
    network = fold(as_if_trained(MemNet(memory_blocks=1, residual_units=1, features=4)))
    return model_of(network, EnlargedLuma(network), (2, 3, 4))


def srresnet(scale: int) -> Model:
    network = SRResNet(scale=scale, residual_blocks=1, features=4, bicubic_skip=True)
    folded = fold(as_if_trained(network))
    return model_of(folded, EnlargingRgb(folded, scale), (scale,))


MODELS = {
    "bicubic": load("bicubic"),
    "lanczos": load("lanczos"),
    "nearest": load("nearest"),
    "memnet": memnet(),
    "x2": srresnet(2),
    "x3": srresnet(3),
}


def enlarged(pixels: np.ndarray, model: Model, size: tuple[int, int], **options) -> np.ndarray:
    return np.concatenate(list(Enlargement(pixels, model, size, Options(**options)).bands()))


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(sorted(MODELS)),
    height=st.integers(1, 70),
    width=st.integers(1, 70),
    factor=st.sampled_from([0.3, 0.5, 1, 1.7, 2, 2.5, 3, 4, 5.3]),
    channels=st.integers(1, 4),
    consistent=st.booleans(),
    room=st.integers(1, 20),
)
def test_regions_give_what_the_whole_gives(
    name, height, width, factor, channels, consistent, room
) -> None:
    pixels = make_photo(height, width)[..., [0, 1, 2, 0]][..., :channels] / np.float32(255)
    model, size = MODELS[name], Sizing(factor).of((width, height))
    whole = Enlargement(pixels, model, size, Options(consistent=consistent, tile=1000))
    (expected,) = whole.bands()
    assert expected.shape == (size[1], size[0], channels)
    tile = 2 * whole.overlap + room
    found = enlarged(pixels, model, size, consistent=consistent, tile=tile)
    assert np.allclose(found, expected, rtol=0, atol=2e-5)


@pytest.mark.parametrize(("name", "scale"), [("memnet", 3), ("x2", 2), ("bicubic", 4)])
def test_without_a_last_step_it_is_what_the_upscaler_gives(name: str, scale: int) -> None:
    photo = make_photo(41, 33)
    expected = MODELS[name].upscaler(to_tensor(photo), scale)
    found = enlarged(photo, MODELS[name], (33 * scale, 41 * scale), tile=1000)
    assert np.array_equal(found, (expected[0].permute(1, 2, 0) * 255).round().numpy().astype("u1"))


def test_the_last_step_is_exact_resampling() -> None:
    photo = make_photo(31, 40)
    sr = MODELS["x3"].upscaler(to_tensor(photo), 3)
    for size in ((100, 78), (120, 60), (240, 186)):
        expected = resample(sr, size=size[::-1]).clamp(0, 1)
        found = enlarged(photo / np.float32(255), MODELS["x3"], size, tile=1000)
        assert np.allclose(found, expected[0].permute(1, 2, 0).numpy(), rtol=0, atol=1e-6)


def test_the_network_is_asked_for_the_scale_that_suffices() -> None:
    assert [MODELS["memnet"].factor(x) for x in (0.5, 1, 1.1, 2, 2.01, 4, 9)] == [
        *(None, None, 2, 2, 3, 4, 4)
    ]
    assert MODELS["bicubic"].factor(4) is None


def test_back_projection_gives_the_picture_back() -> None:
    photo = make_photo(50, 60)
    lr = to_tensor(photo)
    for name, scale in (("x2", 2), ("memnet", 3), ("bicubic", 2.5)):
        size = Sizing(scale).of((60, 50))
        errors = []
        for consistent in (False, True):
            sr = to_tensor(enlarged(photo, MODELS[name], size, consistent=consistent))
            errors.append((resample(sr, size=(50, 60)) - lr).abs().mean().item() * 255)
        assert errors[1] < 0.3
        assert errors[1] < errors[0] / 4


def test_an_ensemble_does_not_mind_how_a_picture_lies() -> None:
    lr = to_tensor(make_photo(14, 17))
    ensemble = Ensemble(MODELS["x2"].upscaler)
    plain, expected = MODELS["x2"].upscaler(lr, 2), ensemble(lr, 2)
    assert not torch.allclose(plain, expected, atol=1e-4)
    for turn in (lambda x: x.flip(-1), lambda x: x.flip(-2), lambda x: x.transpose(-2, -1)):
        assert torch.allclose(ensemble(turn(lr), 2), turn(expected), rtol=0, atol=1e-5)
    assert np.allclose(
        enlarged(lr[0].permute(1, 2, 0).numpy(), MODELS["x2"], (34, 28), ensemble=True),
        expected[0].permute(1, 2, 0).numpy(),
        rtol=0,
        atol=1e-6,
    )


def test_progress_counts_every_pixel_once() -> None:
    photo, done = make_photo(90, 70), []
    work = Enlargement(photo, MODELS["x2"], (140, 180), Options(tile=64))
    for _ in work.bands(done.append):
        pass
    assert sum(done) == 90 * 70
    assert len(done) == 4


def test_a_tile_without_room_is_said() -> None:
    photo = make_photo(90, 70)
    with pytest.raises(SrlabError, match=r"a tile of 8 pixels has no room .* make it larger than"):
        Enlargement(photo, MODELS["x2"], (140, 180), Options(tile=8))
    Enlargement(photo[:8, :8], MODELS["x2"], (16, 16), Options(tile=8))


def test_the_tile_is_what_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    photo = make_photo(400, 70)
    asked = []

    def fitting(per_pixel: float, overlap: int, device: torch.device) -> int:
        asked.append(per_pixel)
        return 200

    monkeypatch.setattr("srlab.upscaling.regions.fitting_tile", fitting)
    model = srresnet(2)
    assert Enlargement(photo, model, (140, 800), Options()).tile == 200
    assert Enlargement(photo, model, (140, 800), Options()).tile == 200
    assert asked[0] == asked[1] > 10  # measured once
    monkeypatch.setattr("srlab.upscaling.regions._CPU_BYTES", asked[0] * 150**2)
    assert Enlargement(photo, model, (140, 800), Options()).tile == 150


@given(length=st.integers(1, 300), size=st.integers(1, 900), cut=st.integers(0, 300))
def test_places_of_parts_join_without_a_gap(length: int, size: int, cut: int) -> None:
    axis = Axis(length, size)
    places = [axis.place(row) for row in range(length + 1)]
    assert places[0] == 0
    assert places[-1] == size
    assert places == sorted(places)


@given(st.integers(1, 40), st.integers(1, 90), st.sampled_from(["bicubic", "lanczos", "box"]))
def test_a_part_is_that_of_the_resampled_whole(length: int, size: int, kernel) -> None:
    image = torch.rand(1, 1, length, 3)
    whole = resample(image, size=(size, 3), kernel=kernel)
    axes = [Axis(length, size), Axis(3, 3)]
    first = max(size // 2 - 3, 0)
    reach = axes[0].radius()
    start = max(first * length // size - reach, 0)
    part = resampled_part(image[..., start:, :], axes, (start, 0), ((first, size), (0, 3)), kernel)
    assert torch.allclose(part, whole[..., first:, :], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("sizing", "expected", "label"),
    [
        (Sizing(4), (160, 120), "x4"),
        (Sizing(2.5), (100, 75), "x2.5"),
        (Sizing(0.01), (1, 1), "x0.01"),
        (Sizing(width=100), (100, 75), "100w"),
        (Sizing(height=60), (80, 60), "60h"),
        (Sizing(width=100, height=60), (80, 60), "100w_60h"),
        (Sizing(width=7), (7, 5), "7w"),
    ],
)
def test_sizes(sizing: Sizing, expected: tuple[int, int], label: str) -> None:
    assert sizing.of((40, 30)) == expected
    assert sizing.label == label


@pytest.mark.parametrize(
    "wrong", [{"scale": 0}, {"scale": -2}, {"scale": 65}, {"scale": float("nan")}, {"width": 0}]
)
def test_impossible_sizes_are_refused(wrong: dict) -> None:
    with pytest.raises(SrlabError, match="choose"):
        Sizing(**wrong)
