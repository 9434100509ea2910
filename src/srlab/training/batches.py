"""Batches of packed patches, each a pure function of its step.

Which patches, factors, flips and rotations step k sees depends on the seed and on k alone: not on
worker processes, not on how many devices share the batch, not on whether training was resumed.
"""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from srlab.data.patches import read_index, tensor_name
from srlab.errors import SrlabError
from srlab.training.patch_file import PatchFile

_AHEAD = 4
"""Steps that the disk is asked for before they are wanted, where it is not read as a whole."""
_SMALL = 2**30
"""Bytes of patches that are read as a whole. Asking for each takes as long as copying it."""


@dataclass(frozen=True)
class Draw:
    """What a step sees: of each of its patches, the number, the degradation and the symmetry."""

    patches: np.ndarray
    degradations: np.ndarray
    """Positions in `PatchBatches.degradations`; all alike where patches are not enlarged."""
    symmetries: np.ndarray
    """Positions in `SYMMETRIES`."""


class PatchBatches(Dataset[tuple[Tensor, Tensor]]):
    """The batch of a step: `batches[step]` is (seen, hr), uint8 (batch, C, H, W).

    Every patch is used once per epoch, in an order drawn for the epoch. Where the packed
    low-resolution patches are enlarged, factor and degradation are drawn for each patch, else for
    each batch, since their sizes differ.

    Args:
        folder: packed patches, see `srlab.data.patches`.
        batch: patches per step, over all devices.
        augment: draw one of the eight flips and rotations for each patch.
        seed: of everything that is drawn.
        rank, world: this process gets its share of each batch.

    Raises:
        SrlabError: the folder does not hold packed patches, or not all of them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        batch: int,
        augment: bool,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        index = read_index(folder)
        settings = index["settings"]
        self.folder = folder
        self.batch = batch
        self.augment = augment
        self.seed = seed
        self.rank = rank
        self.shard = slice(rank, None, world)
        self.patches: int = index["patches"]
        self.enlarged: bool = settings["enlarged"]
        self.degradations = [
            tensor_name(scale, kernel)
            for scale in settings["scales"]
            for kernel in settings["degradations"]
        ]
        self._files: dict[str, PatchFile] = {}
        self._views: dict[str, list[np.ndarray]] = {}
        try:
            self._small = _are_small([self._path(name) for name in ("hr", *self.degradations)])
        except OSError as error:
            raise SrlabError(f"{folder}: patches are missing ({error}); run: dvc repro") from None
        self._fetched: dict[int, Draw] = {}
        self._order: tuple[int, np.ndarray] = (-1, np.empty(0, np.int64))

    def __getstate__(self) -> dict[str, Any]:
        # Every worker process maps the files for itself.
        return self.__dict__ | {"_files": {}, "_views": {}}

    def epoch(self, step: int) -> int:
        """The epoch in which a step begins."""
        return step * self.batch // self.patches

    def draw(self, step: int) -> Draw:
        """What a step sees, this process's share of it."""
        random = np.random.default_rng([self.seed, 1, step])
        positions = np.arange(step * self.batch, (step + 1) * self.batch)
        patches = self._shuffled(positions)[self.shard]
        draws = self.batch if self.enlarged else 1
        drawn = random.integers(len(self.degradations), size=draws)
        drawn = np.broadcast_to(drawn, self.batch)[self.shard]
        symmetries = random.integers(8 if self.augment else 1, size=self.batch)[self.shard]
        return Draw(patches, drawn, symmetries)

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor]:
        drawn = self.draw(step) if self._small else self._fetch_ahead(step)
        patches, numbers, symmetries = drawn.patches, drawn.degradations, drawn.symmetries
        hr_views, *seen_views = (self._turned(name) for name in ("hr", *self.degradations))
        hr = np.empty((len(patches), *hr_views[0].shape[1:]), np.uint8)
        seen = np.empty((len(patches), *seen_views[numbers[0]][0].shape[1:]), np.uint8)
        # Patch by patch: each is copied once, turned on the way.
        chosen = zip(patches.tolist(), numbers.tolist(), symmetries.tolist(), strict=True)
        for index, (patch, number, symmetry) in enumerate(chosen):
            hr[index] = hr_views[symmetry][patch]
            seen[index] = seen_views[number][symmetry][patch]
        return torch.from_numpy(seen), torch.from_numpy(hr)

    def _shuffled(self, positions: np.ndarray) -> np.ndarray:
        """Positions in the endless stream of epochs -> patch numbers."""
        epochs = positions // self.patches
        result = np.empty_like(positions)
        for epoch in range(epochs[0], epochs[-1] + 1):
            if self._order[0] != epoch:
                random = np.random.default_rng([self.seed, 0, epoch])
                # Of 32 bits: this is what of a large set lies in memory.
                order = np.arange(self.patches, dtype=np.uint32)
                self._order = (epoch, random.permutation(order))
            chosen = epochs == epoch
            result[chosen] = self._order[1][positions[chosen] % self.patches]
        return result

    def _fetch_ahead(self, step: int) -> Draw:
        """What a step sees, after asking the disk for it and for some steps behind it."""
        for coming in range(step, step + _AHEAD + 1):
            if coming not in self._fetched:
                self._fetched[coming] = drawn = self.draw(coming)
                for patch, number in zip(
                    drawn.patches.tolist(), drawn.degradations.tolist(), strict=True
                ):
                    self._file("hr").fetch(patch)
                    self._file(self.degradations[number]).fetch(patch)
        result = self._fetched[step]
        self._fetched = {k: drawn for k, drawn in self._fetched.items() if k > step}
        return result

    def _turned(self, name: str) -> list[np.ndarray]:
        """A file's patches in each of the symmetries, as views."""
        if name not in self._views:
            patches = self.mapped(name)
            self._views[name] = [turn(patches) for turn in SYMMETRIES]
        return self._views[name]

    def mapped(self, name: str) -> np.ndarray:
        """All patches of a degradation, or `hr`, as they lie on the disk: (N, C, P, P) uint8."""
        return self._file(name).patches

    def _file(self, name: str) -> PatchFile:
        if name not in self._files:
            self._files[name] = PatchFile(self._path(name), whole=self._small)
        return self._files[name]

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npy"


def _are_small(files: list[Path]) -> bool:
    """Whether files are read in a moment, and stay in memory once they have been."""
    size = sum(file.stat().st_size for file in files)
    return size < min(_SMALL, psutil.virtual_memory().available / 2)


SYMMETRIES: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    lambda patches: patches,
    lambda patches: patches.swapaxes(-1, -2)[..., ::-1, :],
    lambda patches: patches[..., ::-1, ::-1],
    lambda patches: patches.swapaxes(-1, -2)[..., ::-1],
    lambda patches: patches[..., ::-1],
    lambda patches: patches.swapaxes(-1, -2)[..., ::-1, ::-1],
    lambda patches: patches[..., ::-1, :],
    lambda patches: patches.swapaxes(-1, -2),
)
"""The symmetries of the square on (..., P, P): s turns by s % 4 quarters, and mirrors from 4 on."""


def loader(batches: PatchBatches, *, first: int, last: int | None, workers: int) -> DataLoader:
    """The batches of steps first, first + 1, ... (up to, without, last), prepared ahead."""
    return DataLoader(
        batches,
        batch_size=None,
        sampler=_Steps(first, last),
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        # Its own, since starting to load draws a seed: from the global generator, it would shift
        # what a training that goes on draws (dropout) against one that was not stopped. Workers of
        # different ranks get different seeds.
        generator=torch.Generator().manual_seed(batches.seed + batches.rank),
    )


class _Steps(Sampler[int]):
    """Counts steps; without `last`, for ever."""

    def __init__(self, first: int, last: int | None) -> None:
        self.first, self.last = first, last

    def __iter__(self) -> Iterator[int]:
        return itertools.takewhile(
            lambda step: self.last is None or step < self.last, itertools.count(self.first)
        )
