"""Images and networks on the device that computes, in the memory layout that it prefers."""

from typing import TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from srlab.params import TrainerParams

Module = TypeVar("Module", bound=nn.Module)


class ImagePlacement:
    """Puts images and networks where a Fabric computes.

    Args:
        trainer: the memory layout.
        fabric: the device.
    """

    def __init__(self, trainer: TrainerParams, fabric: Fabric) -> None:
        self._fabric = fabric
        self._layout = torch.channels_last if trainer.channels_last else torch.contiguous_format

    def module(self, module: Module) -> Module:
        """A network, its parameters and buffers moved."""
        # One call for each: together they are not typed for a memory format alone.
        return module.to(self._fabric.device).to(memory_format=self._layout)

    def place(self, images: Tensor) -> Tensor:
        """(N, C, H, W) of any type."""
        return self._fabric.to_device(images).contiguous(memory_format=self._layout)

    def from_patches(self, patches: Tensor) -> Tensor:
        """uint8 (N, C, H, W) -> float32 in [0, 1]."""
        return self.place(patches).float().div_(255)
