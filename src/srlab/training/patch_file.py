"""A file of packed patches, mapped into memory, and what the system is told of how it will be read.

Patches are read in random order. The system's habit of reading on behind what was asked for fetches
32 pages for one or two, and each patch waits for the disk alone. Told beforehand which patches will
be wanted, it reads these, many at a time.
"""

import mmap
from pathlib import Path

import numpy as np


class PatchFile:
    """The patches of a .npy file.

    Args:
        path: the file.
        whole: it is small. All of it is read ahead, and nothing more is told.

    Attributes:
        patches: (N, C, P, P) uint8, as they lie on the disk; not to be written to.
    """

    def __init__(self, path: Path, *, whole: bool) -> None:
        with path.open("rb") as file:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            self._start = file.tell()
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        # As a plain array: numpy's memmap class makes every small operation slower.
        flat = np.frombuffer(self._map, dtype, offset=self._start)
        self.patches: np.ndarray = flat.reshape(shape)
        self._told = not whole and hasattr(mmap, "MADV_RANDOM")  # Windows has no such advice
        if self._told:
            self._map.madvise(mmap.MADV_RANDOM)
        elif whole and hasattr(mmap, "MADV_WILLNEED"):
            self._map.madvise(mmap.MADV_WILLNEED)

    def fetch(self, patch: int) -> None:
        """Have a patch read without waiting for it."""
        if not self._told:
            return
        size = self.patches[0].nbytes
        first = self._start + patch * size
        page = first - first % mmap.PAGESIZE
        self._map.madvise(mmap.MADV_WILLNEED, page, first + size - page)
