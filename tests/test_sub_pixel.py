"""Sub-pixel convolution against torch's convolution and pixel shuffle."""

import pytest
import torch
from torch import nn

from srlab.models.sub_pixel import SubPixelConvolution, SubPixelShuffle


@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_values_and_gradients_are_torchs(factor: int, layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    ours = nn.Sequential(SubPixelConvolution(4, 5, factor), SubPixelShuffle(factor))
    theirs = nn.Sequential(nn.Conv2d(4, 5 * factor**2, 3, padding=1), nn.PixelShuffle(factor))
    theirs.load_state_dict(ours.state_dict())  # the weights are kept in torch's order
    images = torch.randn(2, 4, 6, 7).to(memory_format=layout)
    gradient = torch.randn(2, 5, 6 * factor, 7 * factor)
    results = []
    for network in (ours, theirs):
        x = images.clone().requires_grad_()
        y = network(x)
        y.backward(gradient)
        results.append([y.detach(), x.grad, *(p.grad for p in network.parameters())])
    for mine, torchs in zip(*results, strict=True):
        torch.testing.assert_close(mine, torchs)


def test_what_comes_out_has_channels_last() -> None:
    network = nn.Sequential(SubPixelConvolution(4, 8, 2), SubPixelShuffle(2))
    network.to(memory_format=torch.channels_last)
    y = network(torch.randn(2, 4, 6, 6).to(memory_format=torch.channels_last))
    assert y.shape == (2, 8, 12, 12)
    assert y.is_contiguous(memory_format=torch.channels_last)
