"""Tiles give what the whole image gives, whatever memory there is."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_folded import as_if_trained
from torch import Tensor

from srlab.errors import SrlabError
from srlab.inference.effective import effective_radius
from srlab.inference.folded import fold
from srlab.inference.memory import free_bytes, is_out_of_memory
from srlab.inference.receptive import KERNEL_RADIUS, lr_radius, receptive_radius
from srlab.inference.tile_size import LARGEST, bytes_per_pixel, fitting_tile
from srlab.inference.tiles import spans, tiled
from srlab.inference.upscalers import EnlargedLuma, Interpolation
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet

CPU = torch.device("cpu")
NETWORKS = [
    (as_if_trained(MemNet(memory_blocks=1, residual_units=1, features=4)), 1, 1),
    (as_if_trained(MemNet(memory_blocks=2, residual_units=1, features=4, gate_kernel=3)), 1, 1),
    (as_if_trained(SRResNet(scale=2, residual_blocks=1, features=4, outer_kernel=3)), 2, 3),
    (
        as_if_trained(
            SRResNet(
                scale=3,
                residual_blocks=1,
                features=4,
                batch_norm=False,
                bicubic_skip=True,
                upsampler="direct",
            )
        ),
        3,
        3,
    ),
    (as_if_trained(SRResNet(scale=4, residual_blocks=1, features=4, bicubic_skip=True)), 4, 3),
]
FOLDED = [(fold(network), scale, channels) for network, scale, channels in NETWORKS]


@settings(max_examples=60, deadline=None)
@given(
    network=st.sampled_from(FOLDED),
    height=st.integers(1, 60),
    width=st.integers(1, 60),
    room=st.integers(1, 30),
    more=st.integers(0, 3),
    seed=st.integers(0, 9),
)
def test_tiled_is_untiled(network, height, width, room, more, seed) -> None:
    folded, scale, channels = network
    generator = torch.Generator().manual_seed(seed)
    images = torch.rand(1, channels, height, width, generator=generator)
    overlap = receptive_radius(folded) + more
    result = tiled(folded, images, 2 * overlap + room, overlap, scale)
    assert torch.allclose(result, folded(images), rtol=0, atol=1e-6)


@pytest.mark.parametrize(("network", "scale", "channels"), NETWORKS)
@torch.no_grad()
def test_one_pixel_of_overlap_less_is_not_enough(network, scale, channels) -> None:
    # In float64, where what comes from the rim of the receptive field is not lost in rounding.
    network = fold(network).double()
    images = torch.rand(1, channels, 64, 64, dtype=torch.float64)
    radius = receptive_radius(network)
    whole = network(images)
    tile = 2 * radius + 8
    assert torch.allclose(tiled(network, images, tile, radius, scale), whole, rtol=0, atol=1e-12)
    less = tiled(network, images, tile, radius - 1, scale)
    assert not torch.allclose(less, whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_upscalers_can_be_tiled(scale: int, channels: int) -> None:
    network = NETWORKS[0][0]
    lr = torch.rand(1, channels, 45, 33)
    for upscaler, radius in (
        (EnlargedLuma(network), lr_radius(network, scale)),
        (Interpolation("lanczos"), KERNEL_RADIUS["lanczos"]),
    ):
        result = tiled(lambda piece, up=upscaler: up(piece, scale), lr, 24, radius, scale)
        assert torch.allclose(result, upscaler(lr, scale), rtol=0, atol=2e-6)


@given(length=st.integers(1, 500), room=st.integers(1, 50), overlap=st.integers(0, 40))
def test_spans_cover_a_side_once_and_fit(length: int, room: int, overlap: int) -> None:
    tile = 2 * overlap + room
    parts = spans(length, tile, overlap)
    assert [part for span in parts for part in range(*span)] == list(range(length))
    for start, stop in parts:
        assert start < stop
        assert min(stop + overlap, length) - max(start - overlap, 0) <= tile


class Small:
    """Doubles each pixel, where memory suffices for a number of them."""

    def __init__(self, pixels: int, error: Exception) -> None:
        self.pixels, self.error, self.sizes = pixels, error, []

    def __call__(self, images: Tensor) -> Tensor:
        self.sizes.append(images.shape[-2] * images.shape[-1])
        if self.sizes[-1] > self.pixels:
            raise self.error
        return images.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)


def real_failure() -> RuntimeError:
    """What torch says on this machine."""
    with pytest.raises(RuntimeError) as raised:
        torch.empty(10**15)
    return raised.value


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."),
        MemoryError(),
        real_failure(),
    ],
    ids=["cuda", "windows", "python", "here"],
)
def test_a_tile_without_memory_is_cut_and_done_again(error: Exception) -> None:
    network = Small(400, error)
    images = torch.rand(1, 3, 90, 70)
    result = tiled(network, images, 40, 2, 2)
    assert torch.equal(result, Small(10**9, error)(images))
    failed = [size for size in network.sizes if size > 400]
    # Tiles as large as one that failed are cut before they are tried.
    assert failed[0] == network.sizes[0]
    assert failed == sorted(set(failed), reverse=True)


def test_only_the_tile_that_failed_is_done_again() -> None:
    images = torch.rand(1, 1, 40, 80)
    calls: list[tuple[int, ...]] = []

    def network(piece: Tensor) -> Tensor:
        calls.append(tuple(piece.shape[-2:]))
        if len(calls) == 2:
            raise MemoryError
        return piece

    assert torch.equal(tiled(network, images, 40, 0), images)
    assert calls == [(40, 40), (40, 40), (20, 20), (20, 20), (20, 20), (20, 20)]


def test_too_little_memory_for_anything_is_said() -> None:
    with pytest.raises(SrlabError, match="does not suffice for 3x3 pixels"):
        tiled(Small(8, MemoryError()), torch.rand(1, 1, 9, 9), 9, 2, 2)


def test_no_room_in_a_tile_is_said() -> None:
    with pytest.raises(SrlabError, match="a tile of 8 pixels has no room for 4 pixels of overlap"):
        tiled(Small(9, MemoryError()), torch.rand(1, 1, 9, 9), 8, 4)


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("x"), OSError("y")])
def test_an_error_in_a_tile_is_not_swallowed(error: Exception) -> None:
    calls = 0

    def network(piece: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise error
        return piece

    with pytest.raises(type(error), match=str(error)):
        tiled(network, torch.rand(1, 1, 40, 40), 10, 1)
    assert calls == 3
    assert not is_out_of_memory(error)


def test_bytes_per_pixel_are_measured() -> None:
    def network(images: Tensor) -> Tensor:
        # 10 and 20 maps at once, then 20 and 5.
        return images.expand(-1, 10, -1, -1).contiguous().repeat(1, 2, 1, 1)[:, :5].clone()

    assert bytes_per_pixel(network, torch.rand(1, 1, 50, 40)) == pytest.approx(4 * 30, rel=0.01)
    plain = MemNet(memory_blocks=3, residual_units=3, features=16).eval()
    sample = torch.rand(1, 1, 64, 64)
    assert bytes_per_pixel(fold(plain), sample) < 0.7 * bytes_per_pixel(plain, sample)


def test_the_tile_is_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert free_bytes(CPU) > 0
    monkeypatch.setattr("srlab.inference.tile_size.free_bytes", lambda _: 2 * 100 * 300**2)
    assert fitting_tile(100, 10, CPU) == 300
    assert fitting_tile(1, 10, CPU) == LARGEST
    assert fitting_tile(1e6, 10, CPU) == 40
    assert fitting_tile(1e9, 0, CPU) == 16


def test_the_effective_radius_is_smaller_and_holds_what_it_says() -> None:
    network = fold(as_if_trained(MemNet(memory_blocks=3, residual_units=2, features=8)))
    image = torch.rand(1, 1, 96, 96)
    radius = receptive_radius(network)
    found = effective_radius(network, image, tolerance=1e-3, limit=radius)
    assert 0 < found.radius < radius
    assert 0 < found.error <= 1e-3
    cut_in_four = tiled(network, image, 48 + found.radius, found.radius)
    assert (cut_in_four - network(image)).abs().max().item() == pytest.approx(found.error, abs=1e-6)


def test_an_effective_radius_that_does_not_hold_says_so() -> None:
    network = fold(NETWORKS[0][0])
    found = effective_radius(network, torch.rand(1, 1, 32, 32), tolerance=1e-9, limit=1)
    assert found.radius == 1
    assert found.error > 1e-9
