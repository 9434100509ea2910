"""A large store of packed patches, read in random order: memory must not grow with it."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from bench.alternation import seconds
from bench.cases import quick_memnet
from bench.child import anonymous_bytes, in_child
from bench.data import batches_of, supply
from bench.power_law import growth_of
from bench.results import Growth, Row
from bench.settings import Settings
from srlab.data.patches import tensor_name
from srlab.errors import SrlabError
from srlab.params import PatchParams

_PIECE = 2**26
"""Bytes that are drawn once and written again and again."""
_SHARES = (0.05, 0.25, 1.0)
_STEPS = 500


def measure(settings: Settings) -> Iterator[Row | Growth]:
    """Anonymous memory and patches per second with stores of growing size, in fresh processes."""
    sizes = [share * settings.store_gb for share in _SHARES]
    grown, rates = [], []
    plain_rate = 0.0
    for gigabytes in sizes:
        with TemporaryDirectory() as name:
            folder = make_store(quick_memnet().patches, Path(name), int(gigabytes * 1e9))
            extra, rate = in_child(read_randomly, folder, threads=settings.threads).value
            if gigabytes == sizes[-1]:
                plain_rate = in_child(read_plainly, folder, threads=settings.threads).value
        grown.append(extra / 2**20)
        rates.append(rate)
    name = f"store of {settings.store_gb:g} GB"
    small = f"{sizes[0]:g} GB"
    yield Row(
        f"{name}: anonymous memory that it takes beyond that of {small}",
        "MiB, plain holding all of it",
        plain=settings.store_gb * 1e9 / 2**20,
        ours=max(0.0, grown[-1] - grown[0]),
    )
    yield Row(
        f"{name}: loader against a plain memory map",
        "patches/s",
        plain_rate,
        rates[-1],
        rates[-1] / plain_rate,
    )
    yield Row(
        f"{name}: loader against that of {small}",
        "patches/s",
        rates[0],
        rates[-1],
        rates[-1] / rates[0],
    )
    table = growth_of(
        "store",
        f"loading {_STEPS} batches",
        [f"{size:g} GB" for size in sizes],
        sizes,
        "GB",
        [_STEPS * quick_memnet().batch / rate for rate in rates],
    )
    yield table
    yield Row(f"growth with {table.name}", "exponent", ours=table.exponent)


def make_store(params: PatchParams, folder: Path, size: int) -> Path:
    """Write a folder of packed patches of random bytes.

    Args:
        params: what the patches are.
        folder: where; it must have the room.
        size: bytes in all, which are really written.

    Raises:
        SrlabError: the disk is too small.
    """
    free = shutil.disk_usage(folder).free
    if free < 1.1 * size:
        raise SrlabError(
            f"{folder}: a store of {size / 1e9:.1f} GB does not fit into the {free / 1e9:.1f} GB "
            "that are free; name a smaller one with --store-gb, or set TMPDIR"
        )
    names = [tensor_name(s, kernel) for s in params.scales for kernel in params.degradations]
    patch = params.patch_size**2
    count = max(1, size // (patch * (1 + len(names))))
    piece = np.random.default_rng(0).bytes(_PIECE)
    for name in ("hr", *names):
        with (folder / f"{name}.npy").open("wb") as file:
            shape = (count, 1, params.patch_size, params.patch_size)
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            left = count * patch
            while left:
                left -= file.write(piece[:left])
            # Read from the disk, as a store is that does not fit into memory.
            file.flush()
            os.fsync(file.fileno())
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    index = {"settings": params.model_dump(mode="json"), "patches": count}
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def read_randomly(folder: Path) -> tuple[int, float]:
    """(bytes of anonymous memory that reading takes, patches per second)."""
    before = anonymous_bytes()
    batches = batches_of(quick_memnet(), folder)
    rate = supply(batches, _STEPS)
    return anonymous_bytes() - before, rate


def read_plainly(folder: Path) -> float:
    """Patches per second from plain memory maps, in another order than `read_randomly`'s."""
    files = [np.load(path, mmap_mode="r") for path in sorted(folder.glob("*.npy"))]
    truth, seen = files[0], files[1:]
    batch, random = quick_memnet().batch, np.random.default_rng(1)

    def load() -> None:
        for _ in range(_STEPS):
            patches = random.integers(len(truth), size=batch)
            np.array(truth[patches])
            np.array(seen[random.integers(len(seen))][patches])

    return _STEPS * batch / seconds(load)
