"""The radius that is computed from the architecture is the one that the gradient shows."""

import pytest
import torch
from test_folded import as_if_trained
from torch import Tensor, nn

from srlab.data.kernels import KERNELS
from srlab.data.resample import resample
from srlab.inference.folded import fold
from srlab.inference.receptive import KERNEL_RADIUS, lr_radius, receptive_radius
from srlab.inference.upscalers import EnlargedLuma
from srlab.models.discriminator import Discriminator
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet

MEMNETS = [
    {"memory_blocks": 1, "residual_units": 1},
    {"memory_blocks": 2, "residual_units": 2},
    {"memory_blocks": 2, "residual_units": 1, "gate_kernel": 3},
    {"memory_blocks": 3, "residual_units": 1, "share_weights": True, "multi_supervision": True},
]


def seen(network, channels: int, scale: int = 1, side: int = 61) -> int:
    """How far from the pixel in the middle a gradient arrives, from all of its s x s results."""
    images = torch.rand(1, channels, side, side, dtype=torch.float64, requires_grad=True)
    middle = slice(scale * (side // 2), scale * (side // 2 + 1))
    results = network(images)[..., middle, middle]
    # Each with another weight, so that nothing cancels.
    (gradient,) = torch.autograd.grad((results * torch.rand_like(results)).sum(), images)
    changed = gradient.abs().amax(dim=(0, 1)).nonzero() - side // 2
    return int(changed.abs().max())


@pytest.mark.parametrize("settings", MEMNETS)
def test_the_radius_of_memnet(settings: dict) -> None:
    network = as_if_trained(MemNet(features=8, **settings))
    radius = receptive_radius(network)
    assert seen(network.double(), 1) == radius
    assert receptive_radius(fold(network)) == radius


@pytest.mark.parametrize("upsampler", ["stages", "direct"])
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("outer_kernel", [3, 9])
def test_the_radius_of_srresnet(upsampler, scale: int, outer_kernel: int) -> None:
    network = as_if_trained(
        SRResNet(
            scale=scale,
            residual_blocks=2,
            features=8,
            bicubic_skip=outer_kernel == 3,
            outer_kernel=outer_kernel,
            upsampler=upsampler,
        )
    )
    radius = receptive_radius(network)
    assert seen(network.double(), 3, scale) == radius
    assert receptive_radius(fold(network)) == lr_radius(network, scale) == radius


def test_the_radius_of_the_papers_networks() -> None:
    def radius(**settings) -> int:
        return receptive_radius(MemNet(memory_blocks=6, residual_units=6, features=1, **settings))

    assert radius() == 1 + 6 * 12 + 1
    assert radius(gate_kernel=3) == 1 + 6 * 13 + 1
    # Head 4, 16 blocks and fusion 33, and the upsampler: 1 + 1/2 + 4/4 pixels, rounded up.
    assert receptive_radius(SRResNet(scale=4)) == 4 + 33 + 3


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("settings", MEMNETS)
def test_memnet_with_its_enlarging_in_low_resolution_pixels(settings: dict, scale: int) -> None:
    network = as_if_trained(MemNet(features=8, **settings)).double()

    def enlarged(lr: Tensor) -> Tensor:
        return network(resample(lr, scale=scale))

    exact = seen(enlarged, 1, scale)
    # At x3 some enlarged pixels lie on low-resolution pixels and read no other.
    assert exact <= lr_radius(network, scale) <= exact + (scale == 3)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("kernel", KERNELS)
def test_the_radius_of_kernels(kernel, scale: int) -> None:
    found = seen(lambda lr: resample(lr, scale=scale, kernel=kernel), 1, scale, side=21)
    assert found == KERNEL_RADIUS[kernel]


@pytest.mark.parametrize("network", [Discriminator(features=2, dense=4), nn.Identity()])
def test_an_unknown_network_is_refused(network: nn.Module) -> None:
    with pytest.raises(ValueError, match=f"field of a {type(network).__name__} is not known"):
        receptive_radius(network)


def test_one_pixel_changes_the_colours_no_further_than_the_radius() -> None:
    network = as_if_trained(MemNet(memory_blocks=1, residual_units=1, features=8))
    radius = lr_radius(network, 2)
    lr = torch.rand(1, 3, 31, 31)
    other = lr.clone()
    other[..., 15, 15] = 1 - other[..., 15, 15]
    upscaler = EnlargedLuma(network)
    changed = (upscaler(lr, 2) != upscaler(other, 2)).any(dim=1)[0].nonzero()
    assert changed.min() >= 2 * (15 - radius)
    assert changed.max() < 2 * (15 + radius + 1)
