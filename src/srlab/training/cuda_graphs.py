"""A network's forward and backward pass as CUDA graphs.

An operation on small patches takes a GPU less time than it takes a processor to start it. A CUDA
graph holds the operations of a whole pass and is started at once.

Source: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor, nn


def records_graphs(fabric: Fabric) -> bool:
    """Whether it trains on one CUDA GPU. DDP would exchange gradients in the middle of a graph."""
    return fabric.device.type == "cuda" and not isinstance(fabric.strategy, DDPStrategy)


class GraphedMethod:
    """A method of a network that is recorded when it is first trained with, and then replayed.

    What another call asks for, in evaluation mode, without gradients or with images of another
    shape, is computed as always. Outputs hold until the next call.

    Args:
        network: on a GPU; its parameters and buffers must stay where they are.
        method: its name; takes one tensor and gives tensors.
    """

    def __init__(self, network: nn.Module, method: str) -> None:
        self._network = network
        self._method = _Method(getattr(network, method), network)
        self._replay: Callable[[Tensor], Any] | None = None
        self._shape: torch.Size | None = None

    def __call__(self, images: Tensor) -> Any:
        if not (self._network.training and torch.is_grad_enabled()):
            return self._method.compute(images)
        if self._replay is None:
            self._replay, self._shape = self._recorded(images), images.shape
        if images.shape != self._shape:
            return self._method.compute(images)
        return self._replay(images)

    def _recorded(self, images: Tensor) -> Callable[[Tensor], Any]:
        # Recorded on a stream of its own, as it must be, and not replayed there.
        warnings.filterwarnings("ignore", message="The AccumulateGrad node's stream")
        # Recording computes a few times, which BN's statistics must not see.
        buffers = [(buffer, buffer.clone()) for buffer in self._network.buffers()]
        with torch.autocast(
            "cuda",
            dtype=torch.get_autocast_dtype("cuda"),
            enabled=torch.is_autocast_enabled("cuda"),
            cache_enabled=False,  # what was cached outside of a graph is freed outside of it
        ):
            replay = torch.cuda.make_graphed_callables(
                self._method, (images.clone(),), allow_unused_input=True
            )
        for buffer, before in buffers:
            buffer.copy_(before)
        return replay


class _Method(nn.Module):
    """A method as a module of its own, with the network's parameters."""

    def __init__(self, method: Callable[[Tensor], Any], network: nn.Module) -> None:
        super().__init__()
        self.compute = method
        self.network = network

    def forward(self, images: Tensor) -> Any:
        return self.compute(images)
