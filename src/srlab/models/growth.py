"""A network that has learned, as the start of a larger one that computes the same.

MemNet: residual units are added behind those of each memory block, with a last convolution of
zeros: each gives what it gets. The gates do not look at them yet. A 1x1 gate becomes the middle of
a 3x3 one.

SRResNet: residual blocks are added behind the others, and they, too, add nothing yet.

Source: Chen, Goodfellow, Shlens 2016, "Net2Net: Accelerating learning via knowledge transfer".
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from srlab.models.memnet import MemNet, MemoryBlock
from srlab.models.srresnet import ResidualBlock, SRResNet

MEMNET_GROWS = ("residual_units", "gate_kernel")
"""The arguments of MemNet that may be larger than those of the smaller network."""

SRRESNET_GROWS = ("residual_blocks",)
"""The arguments of SRResNet that may be larger than those of the smaller network."""


@torch.no_grad()
def grown_memnet(state: Mapping[str, Tensor], network: MemNet) -> dict[str, Tensor]:
    """The state of a MemNet that computes what a smaller one does.

    Args:
        state: of the smaller network; it does not share weights, unless it is of the same size.
        network: the larger one. What is new has its weights, but for those that are zero.
    """
    larger = _copy(network)
    for name, tensor in state.items():
        if larger[name].shape == tensor.shape:
            larger[name] = tensor.clone()
    for index, block in enumerate(network.blocks):
        assert isinstance(block, MemoryBlock)
        _grow(state, larger, f"blocks.{index}.", len(block.units))
    return larger


@torch.no_grad()
def grown_srresnet(state: Mapping[str, Tensor], network: SRResNet) -> dict[str, Tensor]:
    """The state of an SRResNet that computes what one with fewer residual blocks does.

    Args:
        state: of the smaller network.
        network: the larger one. What is new has its weights, but for those that are zero.
    """
    larger = _copy(network)
    for index, block in enumerate(network.blocks):
        assert isinstance(block, ResidualBlock)
        last = f"blocks.{index}.body.{len(block.body) - 1}."
        if last + "weight" not in state:
            for name in ("weight", "bias"):
                larger[last + name].zero_()
    return larger | {name: tensor.clone() for name, tensor in state.items()}


def _copy(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def _grow(state: Mapping[str, Tensor], larger: dict[str, Tensor], block: str, units: int) -> None:
    before = sum(
        name.startswith(f"{block}units.") and name.endswith(".norms.0.weight") for name in state
    )
    features = len(state[f"{block}units.0.norms.0.weight"])
    added = (units - before) * features
    behind = before * features  # in a gate: the short-term memories, those added, the long-term

    norm = f"{block}gate.norm."
    for name in ("weight", "bias", "running_mean", "running_var"):
        old = state[norm + name]
        last = old[behind - features : behind]
        larger[norm + name] = torch.cat([old[:behind], last.repeat(units - before), old[behind:]])
        if name.startswith("running"):
            # What comes into a new unit is what the last one gives.
            for unit in range(before, units):
                larger[f"{block}units.{unit}.norms.0.{name}"] = last.clone()
    for unit in range(before, units):
        larger[f"{block}units.{unit}.convolutions.1.weight"].zero_()

    gate = f"{block}gate.convolution.weight"
    old = state[gate]
    zeros = old.new_zeros(len(old), added, *old.shape[2:])
    margin = (larger[gate].shape[-1] - old.shape[-1]) // 2
    larger[gate] = pad(torch.cat([old[:, :behind], zeros, old[:, behind:]], dim=1), [margin] * 4)
