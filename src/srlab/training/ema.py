"""The running average of a network's weights."""

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


class RunningAverage(Generic[Network]):
    """Exponential moving average of parameters and of BN's statistics.

    The decay of the first steps is smaller, (1 + n) / (10 + n), so that a short training does not
    keep a share of the untrained network.

    Attributes:
        network: a copy of the network that holds the average.
    """

    def __init__(self, network: Network, decay: float) -> None:
        self.network = copy.deepcopy(network)
        self.network.requires_grad_(False)
        self.decay = decay
        self.updates = 0

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.network.load_state_dict(state["network"])
        self.updates = state["updates"]

    @torch.no_grad()
    def update(self, network: Network) -> None:
        """Take the weights after a step into the average."""
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        average = self.network.state_dict()
        for name, present in network.state_dict().items():
            if present.is_floating_point():
                average[name].lerp_(present, 1 - decay)
            else:
                average[name].copy_(present)
