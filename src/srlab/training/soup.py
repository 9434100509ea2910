"""The mean of the weights of several trainings of one network.

Wortsman et al., "Model soups: averaging weights of multiple fine-tuned models improves accuracy
without increasing inference time", ICML 2022.
"""

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class Soup(Generic[Network]):
    """Trainings that began at the same weights; each weighs as many steps as it took.

    Args:
        network: like those to come.
    """

    def __init__(self, network: Network) -> None:
        self._finished = copy.deepcopy(network).requires_grad_(False)
        self._mean = copy.deepcopy(self._finished)
        self._steps = 0

    def add(self, network: Network, steps: int) -> None:
        """Take in the network that a training of so many steps ended with."""
        self._finished.load_state_dict(self.mean_with(network, steps).state_dict())
        self._steps += steps

    @torch.no_grad()
    def mean_with(self, network: Network, steps: int) -> Network:
        """The mean, another training's network counted in; that network itself where it is alone.

        The mean's weights are those of this moment.
        """
        if not self._steps:
            return network
        share = steps / (self._steps + steps)
        finished, present = self._finished.state_dict(), network.state_dict()
        for name, mean in self._mean.state_dict().items():
            # BN counts its batches in an integer, which has no mean.
            value = (
                finished[name].lerp(present[name], share)
                if mean.is_floating_point()
                else present[name]
            )
            mean.copy_(value)
        return self._mean

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"network": self._finished.state_dict(), "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._finished.load_state_dict(state["network"])
        self._steps = state["steps"]
