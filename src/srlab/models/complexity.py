"""How large a network is, and how much it computes."""

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from srlab.models.memnet import MemNet

OUTPUT = (720, 1280)
"""(H, W) of the image that the literature counts multiply-adds for."""


def parameters(network: nn.Module) -> int:
    """Trainable values; shared ones count once."""
    return sum(parameter.numel() for parameter in network.parameters())


def multiply_adds(network: nn.Module, scale: int) -> int:
    """Multiply-adds of convolutions and matrix products for an output of 1280x720 pixels.

    Counted by torch on tensors without storage, so that nothing is computed.

    Args:
        network: a MemNet, which sees the enlarged luma, or a network that sees small RGB images.
        scale: the factor.
    """
    height, width = OUTPUT
    if isinstance(network, MemNet):
        shape = (1, 1, height, width)
    else:
        shape = (1, 3, height // scale, width // scale)
    hollow = copy.deepcopy(network).to("meta").eval()
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        hollow(torch.empty(shape, device="meta"))
    return counter.get_total_flops() // 2
