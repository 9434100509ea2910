"""The mean of the weights of several trainings that began at the same ones.

Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy
without increasing inference time", ICML 2022; with a share of the start: Wortsman et al., "Robust
fine-tuning of zero-shot models", CVPR 2022.
"""

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class Soup(Generic[Network]):
    """The mean of trainings, each of which weighs as many steps as it took, and of their start.

    Args:
        start: the network as every training finds it.
        start_share: how much of the start is in the mean, in [0, 1).
    """

    def __init__(self, start: Network, start_share: float) -> None:
        self._start = copy.deepcopy(start).requires_grad_(False)
        self._start_share = start_share
        self._finished = copy.deepcopy(self._start)
        self._mean = copy.deepcopy(self._start)
        self._steps = 0

    def add(self, network: Network, steps: int) -> None:
        """Take in the network that a training of so many steps ended with."""
        self._steps += steps
        if self._steps:
            _move(self._finished, network, steps / self._steps)

    def mean_with(self, network: Network, steps: int) -> Network:
        """The mean, another training's network counted in; that network itself where it is alone.

        The mean's weights are those of this moment.
        """
        if not self._steps and not self._start_share:
            return network
        _move(self._mean, self._finished, 1.0)
        _move(self._mean, network, steps / max(1, self._steps + steps))
        _move(self._mean, self._start, self._start_share)
        return self._mean

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"network": self._finished.state_dict(), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._finished.load_state_dict(state["network"])
        self._steps = state["steps"]


@torch.no_grad()
def _move(network: nn.Module, towards: nn.Module, share: float) -> None:
    aims = towards.state_dict()
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.lerp_(aims[name], share)
        else:  # BN counts its batches: a number without a mean
            value.copy_(aims[name])
