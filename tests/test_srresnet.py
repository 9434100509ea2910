import itertools

import pytest
import torch
from torch.nn.functional import mse_loss

from srlab.models.bicubic_skip import enlarge
from srlab.models.discriminator import Discriminator
from srlab.models.srresnet import SRResNet

SMALL = {"residual_blocks": 2, "features": 4}
KINDS = [
    {},
    {"batch_norm": False},
    {"batch_norm": False, "bicubic_skip": True, "outer_kernel": 3},
    {"batch_norm": False, "bicubic_skip": True, "outer_kernel": 3, "upsampler": "direct"},
]


def parameters(network: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_papers_network_has_its_number_of_parameters() -> None:
    convolution = 64 * 64 * 9
    block = 2 * convolution + 2 * 2 * 64 + 1  # without bias, with BN, one slope
    outer = 3 * 64 * 81
    stages = 2 * (4 * convolution + 256 + 1)
    expected = outer + 64 + 1 + 16 * block + convolution + 2 * 64 + stages + outer + 3
    assert parameters(SRResNet(scale=4)) == expected
    assert expected == pytest.approx(1.55e6, rel=0.01)


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (16, 9)])
@pytest.mark.parametrize("kind", KINDS)
def test_every_size_is_enlarged(scale: int, size: tuple[int, int], kind: dict) -> None:
    network = SRResNet(scale=scale, **SMALL, **kind).eval()
    sr = network(torch.rand(2, 3, *size))
    assert sr.shape == (2, 3, scale * size[0], scale * size[1])


@pytest.mark.parametrize("upsampler", ["stages", "direct"])
def test_with_the_skip_the_untrained_network_is_bicubic(upsampler) -> None:
    network = SRResNet(scale=4, bicubic_skip=True, upsampler=upsampler, **SMALL).eval()
    lr = torch.rand(1, 3, 7, 9)
    assert torch.equal(network(lr), enlarge(lr, 4))


def test_there_is_no_checkerboard_at_the_start() -> None:
    torch.manual_seed(0)
    network = SRResNet(scale=4, batch_norm=False, **SMALL).eval()
    middle = network(torch.full((1, 3, 24, 24), 0.5))[..., 40:56, 40:56]
    assert middle.std(dim=(2, 3)).max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
def test_two_steps_move_every_weight(kind: dict) -> None:
    network = SRResNet(scale=2, **SMALL, **kind)
    before = [parameter.clone() for parameter in network.parameters()]
    # The first step opens the last convolution, which may start at zero.
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(2):
        optimizer.zero_grad()
        mse_loss(network(torch.rand(2, 3, 8, 8)), torch.rand(2, 3, 16, 16)).backward()
        optimizer.step()
    for (name, parameter), old in zip(network.named_parameters(), before, strict=True):
        assert not torch.equal(parameter, old), name
        assert parameter.isfinite().all(), name


@pytest.mark.parametrize("size", [(16, 16), (31, 40), (64, 64), (96, 96)])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_discriminator_judges_patches_of_any_size(size, batch_norm: bool) -> None:
    network = Discriminator(features=2, dense=4, batch_norm=batch_norm)
    assert network(torch.rand(3, 3, *size)).shape == (3,)


def test_the_discriminators_size() -> None:
    widths = [3, 64, 64, 128, 128, 256, 256, 512, 512]
    convolutions = sum(9 * a * b for a, b in itertools.pairwise(widths))
    norms = 2 * sum(widths[2:])
    dense = 512 * 1024 + 1024 + 1024 + 1
    assert parameters(Discriminator()) == convolutions + 64 + norms + dense


def test_dropout_works_in_training_only() -> None:
    network = Discriminator(features=2, dense=64, batch_norm=False, dropout=0.5)
    patches = torch.rand(2, 3, 16, 16)
    assert not torch.equal(network(patches), network(patches))
    network.eval()
    assert torch.equal(network(patches), network(patches))
