"""Batches made on a GPU, of packed patches that lie in its memory as a whole.

There, a batch is a few gathers. From the disk it would be a copy of every patch by the processor
and another one to the GPU, and a fast GPU would wait for them.
"""

import itertools
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from srlab.training.batches import SYMMETRIES, PatchBatches

_LARGEST_SHARE = 0.25
"""Of the GPU's free memory, that patches may take from the training."""


class DeviceBatches:
    """The batches of `PatchBatches`, to the last bit, on a device.

    Args:
        batches: which patches each step sees.
        device: where they are to lie, and are gathered.
    """

    def __init__(self, batches: PatchBatches, device: torch.device) -> None:
        self._batches = batches
        self._device = device
        self._hr = self._placed(batches.mapped("hr"))
        seen = [self._placed(batches.mapped(name)) for name in batches.degradations]
        # Of one size, so that a batch of several degradations is one gather.
        self._seen = [torch.cat(seen)] if batches.enlarged else seen
        self._orders: dict[int, Tensor] = {}

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        """(seen, hr), uint8 (batch, C, H, W)."""
        drawn = self._batches.draw(step)
        if self._batches.enlarged:
            seen, rows = self._seen[0], drawn.degradations * len(self._hr) + drawn.patches
        else:
            seen, rows = self._seen[drawn.degradations[0]], drawn.patches
        together = torch.from_numpy(np.stack([rows, drawn.patches, drawn.symmetries]).astype(int))
        if self._device.type == "cuda":
            # From memory that may be paged out, the copy would wait for all steps before.
            together = together.pin_memory()
        rows, patches, symmetries = together.to(self._device, non_blocking=True)
        return (
            self._turned(seen.index_select(0, rows), symmetries),
            self._turned(self._hr.index_select(0, patches), symmetries),
        )

    def steps(self, first: int, last: int | None) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of steps first, first + 1, ... up to, without, last; else for ever."""
        for step in itertools.count(first) if last is None else range(first, last):
            yield self[step]

    def _turned(self, patches: Tensor, symmetries: Tensor) -> Tensor:
        """(B, C, P, P), each turned by a symmetry of its own."""
        side = patches.shape[-1]
        if side not in self._orders:
            pixels = np.arange(side * side).reshape(side, side)
            self._orders[side] = self._placed(
                np.stack([turn(pixels).reshape(-1) for turn in SYMMETRIES])
            )
        order = self._orders[side].index_select(0, symmetries)[:, None]
        flat = patches.flatten(2)
        return flat.gather(2, order.expand(-1, flat.shape[1], -1)).view_as(patches)

    def _placed(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.require(array, requirements="W")).to(self._device)


def fits_on(device: torch.device, batches: PatchBatches) -> bool:
    """Whether the device is a GPU with room for all patches."""
    if device.type != "cuda":
        return False
    size = sum(batches.mapped(name).nbytes for name in ("hr", *batches.degradations))
    free, _ = torch.cuda.mem_get_info(device)
    return size <= _LARGEST_SHARE * free
