"""Between two networks: how much of SRGAN's texture is wanted."""

import copy
from pathlib import Path

import torch
from torch import nn

from srlab.errors import SrlabError
from srlab.weights import Card, load_weights


def load_blend(start: Path, end: Path, strength: float) -> tuple[nn.Module, Card]:
    """A network whose weights lie between those of two files, and the end's card.

    Args:
        start: strength 0, such as SRResNet's weights.
        end: strength 1, such as the weights of the SRGAN that was trained from it.
        strength: in [0, 1].

    Raises:
        SrlabError: a file cannot be read, or the two are not of one network.
    """
    (first, first_card), (second, second_card) = load_weights(start), load_weights(end)
    if (first_card.architecture, first_card.hyperparameters) != (
        second_card.architecture,
        second_card.hyperparameters,
    ):
        raise SrlabError(f"{start} and {end} are different networks, so nothing lies between them")
    return blend(first, second, strength), second_card


@torch.no_grad()
def blend(start: nn.Module, end: nn.Module, strength: float) -> nn.Module:
    """A network of weights (1 - strength) * start + strength * end.

    Source: Wang et al. 2018, "ESRGAN", section 3.4 (network interpolation).
    """
    network = copy.deepcopy(end)
    others = start.state_dict()
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.lerp_(others[name], 1 - strength)
    return network
