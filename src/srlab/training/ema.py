"""The running average of a network's weights."""

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from srlab.params import FitParams

Network = TypeVar("Network", bound=nn.Module)


def running_average(network: Network, params: FitParams) -> "RunningAverage[Network] | None":
    """The average that params.yaml asks for; None without `ema_decay`."""
    if not params.ema_decay:
        return None
    return RunningAverage(network, params.ema_decay, params.ema_ramp)


class RunningAverage(Generic[Network]):
    """Exponential moving average of parameters and of BN's statistics.

    Args:
        network: whose weights are averaged; they must stay where they are from now on.
        decay: the share of the average that a step keeps, at most.
        ramp: step n keeps no more than n / (n + ramp), so that a short training does not keep a
            share of the untrained network.

    Attributes:
        network: a copy of the network that holds the average.
    """

    def __init__(self, network: Network, decay: float, ramp: int) -> None:
        self.network = copy.deepcopy(network)
        self.network.requires_grad_(False)
        self.decay = decay
        self.ramp = ramp
        self.updates = 0
        # Looked up once, and averaged together: one by one takes a thirtieth of a small step.
        pairs = list(
            zip(self.network.state_dict().values(), network.state_dict().values(), strict=True)
        )
        self._floats = [pair for pair in pairs if pair[0].is_floating_point()]
        self._counts = [pair for pair in pairs if not pair[0].is_floating_point()]

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"network": self.network.state_dict(), "updates": self.updates}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.network.load_state_dict(state["network"])
        self.updates = state["updates"]

    @torch.no_grad()
    def update(self) -> None:
        """Take the weights after a step into the average."""
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + self.ramp))
        averages, present = (list(tensors) for tensors in zip(*self._floats, strict=True))
        get_ema_multi_avg_fn(decay)(averages, present, self.updates)
        for average, count in self._counts:
            average.copy_(count)
