"""Training on a GPU: the paper's networks."""

import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from bench.alternation import Pairs, alternate
from bench.cases import Case, paper_memnet, paper_srresnet
from bench.results import Row, unmeasured
from bench.settings import Settings
from bench.training import both, limit

_NO_GPU = "no GPU"
_STEPS = 50
_ROUNDS = 2


def measure(settings: Settings) -> Iterator[Row]:
    """Patches per second, share of the matrix-product rate, memory, and what compiling gives.

    Plain is PNG files and NCHW in float32; ours bf16, channels_last, and patches that lie on the
    GPU. Compiling M6R6 takes two minutes, so that it is measured last, and for itself.
    """
    for case in (paper_memnet(), paper_srresnet()):
        names = rate_name(case), memory_name(case), compiling_name(case)
        if not torch.cuda.is_available():
            yield from (unmeasured(name, _NO_GPU) for name in names)
            continue
        with TemporaryDirectory() as folder:
            yield from _rows(case.with_trainer(accelerator="cuda"), Path(folder), names)


def rate_name(case: Case) -> str:
    """The row of a training's speed."""
    return f"training on a GPU, {case.name}"


def memory_name(case: Case) -> str:
    """The row of its memory."""
    return f"memory of training on a GPU, {case.name}"


def compiling_name(case: Case) -> str:
    """The row of the same training compiled and not."""
    return f"compiling on a GPU, {case.name}"


def _rows(case: Case, folder: Path, names: tuple[str, str, str]) -> Iterator[Row]:
    plainly, ours = both(case, folder, _STEPS, "cuda")
    memory = Pairs()
    rates = alternate(
        _noting_the_peak(plainly, memory.plain),
        _noting_the_peak(ours, memory.ours),
        _ROUNDS,
        lambda: limit(case, "cuda"),
    )
    yield rates.of_rates(names[0], "patches/s")
    yield memory.of_costs(names[1], "MiB")
    compiled = case.with_trainer(compile=True).rate(folder / "packed", _STEPS, warmup=2)
    yield Pairs([statistics.median(rates.ours)], [compiled]).of_rates(names[2], "patches/s")


def _noting_the_peak(work: Callable[[], float], peaks: list[float]) -> Callable[[], float]:
    """Does the work; the MiB on the GPU that it took go to a list."""

    def watched() -> float:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        rate = work()
        peaks.append(torch.cuda.max_memory_allocated() / 2**20)
        return rate

    return watched
