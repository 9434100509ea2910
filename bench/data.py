"""The loader: against training, which it must not keep waiting, and against PNG files."""

import itertools
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.alternation import alternate
from bench.cases import Case, quick_memnet, quick_srresnet
from bench.material import packed, png_files
from bench.plain_training import png_batches
from bench.results import Row
from bench.settings import Settings
from srlab.training.batches import PatchBatches, loader

_STEPS = 200


def measure(settings: Settings) -> Iterator[Row]:
    """Patches per second."""
    rounds = 2 if settings.quick else 7
    for case in (quick_memnet(), quick_srresnet()):
        with TemporaryDirectory() as folder:
            patches = packed(case.patches, Path(folder))
            pngs = png_files(patches, Path(folder) / "png", count=20 * case.batch)
            steps = max(4, int(1e11 / (case.flops_per_patch() * case.batch)))

            load = partial(supply, batches_of(case, patches), _STEPS)
            png = partial(_png_supply, pngs, case.batch)
            train = partial(case.rate, patches, steps)
            yield alternate(png, load, rounds).of_rates(against_png(case), "patches/s")
            yield alternate(train, load, rounds).of_rates(against_training(case), "patches/s")


def against_png(case: Case) -> str:
    """The row of the loader against PNG files."""
    return f"loader against PNG and Pillow, {case.name}"


def against_training(case: Case) -> str:
    """The row of the loader against what training consumes."""
    return f"loader against training, {case.name}"


def batches_of(case: Case, patches: Path) -> PatchBatches:
    """The batches that a training takes from packed patches."""
    return PatchBatches(
        patches, batch=case.batch, augment=case.params.augment, seed=case.trainer.seed
    )


def supply(batches: PatchBatches, steps: int) -> float:
    """Patches per second that srlab's loader gives, in this process, as many steps long."""
    given = iter(loader(batches, first=0, last=None, workers=0))
    next(given)
    start = time.perf_counter()
    for _ in itertools.islice(given, steps):
        pass
    return steps * batches.batch / (time.perf_counter() - start)


def _png_supply(folder: Path, batch: int) -> float:
    """Of all batches behind the first, which starts the loader."""
    given = iter(png_batches(folder, batch))
    next(given)
    start = time.perf_counter()
    count = sum(1 for _ in given)
    return count * batch / (time.perf_counter() - start)
