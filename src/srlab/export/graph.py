"""Upscalers as graphs: what `srlab.inference.upscalers` does with RGB images, whatever their size.

All of it is in the graph: colours, bicubic enlarging, clamping. Who runs it needs to know no more
than that RGB images in [0, 1] go in and come out.
"""

import copy

import torch
from torch import Tensor, nn

from srlab.data.color import rgb_to_ycbcr, ycbcr_to_rgb
from srlab.export.enlarging import Enlarging
from srlab.inference.folded import fold
from srlab.inference.folded_memnet import FoldedMemNet
from srlab.inference.folded_srresnet import FoldedSRResNet


class EnlargedLumaGraph(nn.Module):
    """(N, 3, h, w) -> (N, 3, s*h, s*w): a MemNet refines the bicubically enlarged luma."""

    def __init__(self, network: FoldedMemNet, scale: int) -> None:
        super().__init__()
        self.network = network
        self.enlarging = Enlarging(scale, "bicubic")

    def forward(self, lr: Tensor) -> Tensor:
        ycbcr = rgb_to_ycbcr(self.enlarging(lr))
        luma = self.network(ycbcr[:, :1])
        return ycbcr_to_rgb(torch.cat([luma, ycbcr[:, 1:]], dim=1)).clamp(0, 1)


class EnlargingRgbGraph(nn.Module):
    """(N, 3, h, w) -> (N, 3, s*h, s*w): an SRResNet."""

    def __init__(self, network: FoldedSRResNet) -> None:
        super().__init__()
        self.network = copy.copy(network)
        # Without its skip the network gives what it would add to the enlarged image.
        self.network.bicubic_skip = False
        self.enlarging = (
            Enlarging(network.scale, "bicubic_aliased") if network.bicubic_skip else None
        )

    def forward(self, lr: Tensor) -> Tensor:
        sr = self.network(lr)
        if self.enlarging is not None:
            sr = self.enlarging(lr) + sr
        return sr.clamp(0, 1)


def upscaler_graph(network: nn.Module, scale: int, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The graph of a trained network; images are float32 whatever the type of its convolutions.

    Args:
        network: a MemNet or SRResNet, on the CPU; not changed.
        scale: s; for an SRResNet its own.
        dtype: of the network's weights.
    """
    folded = fold(network).to(dtype)
    if isinstance(folded, FoldedMemNet):
        return EnlargedLumaGraph(folded, scale).eval()
    assert isinstance(folded, FoldedSRResNet)
    return EnlargingRgbGraph(folded).eval()
