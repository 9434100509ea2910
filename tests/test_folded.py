"""Folded networks give what the networks they are made from give."""

import itertools

import pytest
import torch
from conftest import make_photo
from torch import Tensor, nn

from srlab.data.tensors import to_tensor
from srlab.inference.folded import fold
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet

SIZES = [(1, 1), (7, 5), (16, 13)]


@torch.no_grad()
def as_if_trained(network: nn.Module, residual: float = 0.02) -> nn.Module:
    """Random norms and slopes, and statistics and a residual as trained networks have them.

    Args:
        residual: standard deviation of what the last convolution adds.
    """
    torch.manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5)
            module.bias.normal_(0, 0.2)
            module.momentum = 1.0
        if isinstance(module, nn.PReLU):
            module.weight.uniform_(0.1, 0.4)
    network.train()(photo(1 if isinstance(network, MemNet) else 3, 32, 32))
    if isinstance(network, MemNet):
        if network.output_weights is not None:
            network.output_weights.uniform_(0.2, 1)
        return scaled(network, network.reconstruction, 1, residual)
    last = [module for module in network.modules() if isinstance(module, nn.Conv2d)][-1]
    return scaled(network, last, 3, residual if network.bicubic_skip else 0.2)


def scaled(network: nn.Module, last: nn.Conv2d, channels: int, residual: float) -> nn.Module:
    nn.init.normal_(last.weight)
    seen: list[Tensor] = []
    handle = last.register_forward_hook(lambda *call: seen.append(call[-1]))
    network.eval()(photo(channels, 32, 32))
    handle.remove()
    factor = residual / seen[-1].std() / getattr(network, "RESIDUAL_SCALE", 1)
    last.weight.mul_(factor)
    if last.bias is not None:
        last.bias.fill_(0.0 if network.bicubic_skip else 0.5)
    return network.eval()


def photo(channels: int, height: int, width: int) -> Tensor:
    return to_tensor(make_photo(height, width))[:, :channels]


def memnet(**settings) -> MemNet:
    defaults = {"memory_blocks": 3, "residual_units": 2, "features": 8}
    return as_if_trained(MemNet(**{**defaults, **settings}))


def srresnet(**settings) -> SRResNet:
    defaults = {"scale": 2, "residual_blocks": 2, "features": 8}
    return as_if_trained(SRResNet(**{**defaults, **settings}))


def psnr(a: Tensor, b: Tensor) -> float:
    return (-10 * (a.clamp(0, 1) - b.clamp(0, 1)).square().mean().log10()).item()


@pytest.mark.parametrize("gate_kernel", [1, 3])
@pytest.mark.parametrize("share_weights", [False, True])
@pytest.mark.parametrize("multi_supervision", [False, True])
@pytest.mark.parametrize("size", SIZES)
@torch.no_grad()
def test_a_folded_memnet_is_the_memnet(gate_kernel, share_weights, multi_supervision, size):
    network = memnet(
        gate_kernel=gate_kernel, share_weights=share_weights, multi_supervision=multi_supervision
    )
    enlarged = torch.rand(2, 1, *size)
    expected = network(enlarged)
    assert size == (1, 1) or (expected - enlarged).abs().max() > 0.005
    assert torch.allclose(fold(network)(enlarged), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize(("m", "r"), [(1, 1), (1, 3), (4, 1), (6, 6)])
@torch.no_grad()
def test_every_depth_of_memnet_folds(m: int, r: int) -> None:
    network = memnet(memory_blocks=m, residual_units=r)
    enlarged = torch.rand(1, 1, 12, 9)
    assert torch.allclose(fold(network)(enlarged), network(enlarged), rtol=0, atol=1e-4)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("bicubic_skip", [False, True])
@pytest.mark.parametrize("upsampler", ["stages", "direct"])
@pytest.mark.parametrize("scale", [2, 3, 4])
@torch.no_grad()
def test_a_folded_srresnet_is_the_srresnet(batch_norm, bicubic_skip, upsampler, scale) -> None:
    for outer_kernel, size in itertools.product((3, 9), SIZES):
        network = srresnet(
            scale=scale,
            batch_norm=batch_norm,
            bicubic_skip=bicubic_skip,
            upsampler=upsampler,
            outer_kernel=outer_kernel,
        )
        lr = torch.rand(2, 3, *size)
        assert torch.allclose(fold(network)(lr), network(lr), rtol=0, atol=1e-4)


@pytest.mark.parametrize("network", [memnet(), srresnet()], ids=["memnet", "srresnet"])
def test_folding_leaves_the_network_alone(network: nn.Module) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = fold(network)
    for parameter in folded.parameters():
        parameter.zero_()
        assert not parameter.requires_grad
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    assert fold(folded) is folded


@pytest.mark.parametrize(
    "network",
    [
        memnet(memory_blocks=3, residual_units=3, features=32),
        memnet(features=32, gate_kernel=3, multi_supervision=True),
        srresnet(features=32, scale=4, batch_norm=True),
        srresnet(features=32, scale=4, batch_norm=False, bicubic_skip=True, upsampler="direct"),
        srresnet(features=32, scale=3, residual_blocks=16, bicubic_skip=True),
    ],
    ids=["m3r3", "gates-3x3", "srresnet", "direct", "16-blocks"],
)
@torch.no_grad()
def test_bf16_is_near_float32(network: nn.Module) -> None:
    # A network of random weights multiplies small differences more than a trained one does.
    images = photo(1 if isinstance(network, MemNet) else 3, 24, 31)
    expected = network(images)
    result = fold(network).to(torch.bfloat16)(images)
    assert result.dtype == torch.float32
    assert psnr(result, expected) > 50


@pytest.mark.parametrize("network", [memnet(), srresnet()], ids=["memnet", "srresnet"])
@torch.no_grad()
def test_the_memory_format_does_not_matter(network: nn.Module) -> None:
    images = torch.rand(2, 1 if isinstance(network, MemNet) else 3, 9, 14)
    folded = fold(network).to(memory_format=torch.channels_last)
    result = folded(images.contiguous(memory_format=torch.channels_last))
    assert torch.allclose(result, network(images), rtol=0, atol=1e-4)
