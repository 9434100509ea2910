"""A BN with fixed statistics is a factor and a summand for each channel."""

from torch import Tensor, nn


def affine(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """(factor, summand), each (C,): what a BN in evaluation mode does to a channel.

    Source: Ioffe & Szegedy 2015, "Batch Normalization", algorithm 2.
    """
    assert norm.running_mean is not None
    assert norm.running_var is not None
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    return factor, norm.bias - norm.running_mean * factor


def frozen(values: Tensor) -> nn.Parameter:
    """A copy that moves with its module between devices and types, and is not trained."""
    return nn.Parameter(values.detach().clone(), requires_grad=False)
