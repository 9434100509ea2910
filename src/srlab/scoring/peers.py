"""Checkpoints of other projects, read by spandrel: the extra `[peers]`."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from srlab.errors import SrlabError
from srlab.inference.upscalers import EnlargingRgb, Upscaler
from srlab.models.complexity import parameters

if TYPE_CHECKING:
    from spandrel import ImageModelDescriptor


def load_peer(path: Path, complaint: str) -> tuple[Upscaler, int]:
    """A network of another project, and how many parameters it has.

    spandrel knows the architecture by the names and shapes of the weights, and does not run code
    that a checkpoint may hold.

    Args:
        path: the checkpoint.
        complaint: why it is not srlab's own.

    Raises:
        SrlabError: spandrel is not installed, does not know the file, or the network does not
            enlarge RGB images by a whole factor.
    """
    try:
        from spandrel import ImageModelDescriptor, ModelLoader
    except ImportError:
        raise SrlabError(
            f"{complaint}; for checkpoints of other projects: pip install 'srlab[peers]'"
        ) from None
    try:
        found = ModelLoader(device="cpu").load_from_file(path)
    except Exception as error:  # whatever a foreign file makes a parser raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise SrlabError(
            f"{complaint}; nor is it a checkpoint that spandrel can read ({reason})"
        ) from None
    if not isinstance(found, ImageModelDescriptor) or (
        found.input_channels,
        found.output_channels,
    ) != (3, 3):
        raise SrlabError(f"{path}: a {found.architecture.name} that does not map RGB to RGB images")
    network = _Padded(found).eval()
    return EnlargingRgb(network, found.scale), parameters(found.model)


class _Padded(torch.nn.Module):
    """spandrel's call, which pads to the sizes that the network takes, as a network."""

    def __init__(self, descriptor: "ImageModelDescriptor") -> None:
        super().__init__()
        self.model = descriptor.model
        self._descriptor = descriptor

    def forward(self, lr: Tensor) -> Tensor:
        """(N, 3, h, w) -> (N, 3, s*h, s*w)."""
        return torch.cat([self._descriptor(image[None]) for image in lr])
