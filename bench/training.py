"""Training on the processor: srlab's whole path against plain code, and against the machine."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from bench.alternation import Pairs, alternate
from bench.cases import Case, training_cases
from bench.child import Child
from bench.limits import limit_type, matrix_rate
from bench.material import packed, png_files
from bench.plain_training import train_plainly
from bench.results import Row
from bench.settings import Settings
from srlab.heap import keep_freed_memory


def measure(settings: Settings) -> Iterator[Row]:
    """Patches per second, and the share of the matrix-product rate that they are worth."""
    for case in training_cases(quick=settings.quick):
        with TemporaryDirectory() as folder:
            yield compare(case, Path(folder), 2 if settings.quick else 12).of_rates(
                name_of(case), "patches/s"
            )


def name_of(case: Case) -> str:
    """The row of a training."""
    return f"training {case.name}"


def compare(case: Case, folder: Path, rounds: int, longest: int = 500) -> Pairs:
    """Plain training against srlab's on the processor, the matrix-product rate as the limit.

    Each has a process of its own: srlab's keeps freed memory, as its stages do.

    Args:
        case: what is trained; on the processor.
        folder: for the patches.
        rounds: how often.
        longest: steps of a round, at most.
    """
    patches = packed(case.patches, folder)
    pngs = png_files(patches, folder / "png", count=4 * case.batch)
    steps = min(case.round_steps(), longest)
    threads = torch.get_num_threads()
    with Child(threads) as plain, Child(threads) as ours:
        return alternate(
            lambda: plain.call(plain_rate, case, pngs, steps).value,
            lambda: ours.call(_stage_rate, case, patches, steps).value,
            rounds,
            lambda: limit(case),
        )


def _stage_rate(case: Case, patches: Path, steps: int) -> float:
    keep_freed_memory()
    return case.rate(patches, steps, warmup=2)


def plain_rate(case: Case, pngs: Path, steps: int, device: str = "cpu") -> float:
    """Patches per second of some steps of plain training.

    Args:
        case: what is trained.
        pngs: the patches, see `bench.plain_training.PngPatches`.
        steps: that count.
        device: torch's type.
    """
    network, loss = case.plain(), case.plain_loss()
    return train_plainly(
        network, loss, pngs, batch=case.batch, steps=steps, warmup=2, device=device
    )


def limit(case: Case, device: str = "cpu") -> float:
    """Patches per second at the rate of matrix products."""
    return 1e9 * matrix_rate(limit_type(device), device) / case.flops_per_patch()
