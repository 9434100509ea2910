"""Training on a GPU: the paper's networks."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from bench.alternation import Pairs, alternate
from bench.cases import MEMNET_EPOCHS, MEMNET_PATCHES, Case, paper_memnet, paper_srresnet
from bench.material import packed, png_files
from bench.results import NO_GPU, Row, unmeasured
from bench.settings import Settings
from bench.training import limit, plain_rate
from srlab.params import MemNetParams

_PLAIN_STEPS = 30
_SECONDS = 1.0
_ROUNDS = 2


def measure(settings: Settings) -> Iterator[Row]:
    """Patches per second, share of the matrix-product rate, memory; what graphs and compiling give.

    Plain is PNG files and NCHW in float32; ours bf16, channels_last, patches that lie on the GPU,
    and CUDA graphs. Compiling counts for itself, and without the time that it takes.
    """
    for case in (paper_memnet(), paper_srresnet()):
        names = [name(case) for name in (rate_name, memory_name, graphs_name, compiling_name)]
        if not torch.cuda.is_available():
            yield from (unmeasured(name, NO_GPU) for name in names)
            if isinstance(case.params, MemNetParams):
                yield unmeasured(schedule_name(case), NO_GPU)
            continue
        with TemporaryDirectory() as folder:
            yield from _rows(case.with_trainer(accelerator="cuda"), Path(folder))


def rate_name(case: Case) -> str:
    """The row of a training's speed."""
    return f"training on a GPU, {case.name}"


def memory_name(case: Case) -> str:
    """The row of its memory."""
    return f"memory of training on a GPU, {case.name}"


def graphs_name(case: Case) -> str:
    """The row of the same training without CUDA graphs and with them."""
    return f"CUDA graphs, {case.name}"


def compiling_name(case: Case) -> str:
    """The row of the same training not compiled and compiled."""
    return f"compiling on a GPU, {case.name}"


def schedule_name(case: Case) -> str:
    """The row of the paper's schedule for MemNet."""
    return f"{MEMNET_EPOCHS} epochs of {MEMNET_PATCHES:,} patches on a GPU, {case.name}"


def schedule_row(case: Case, compiled: Row) -> Row:
    """The minutes that the paper's schedule takes compiled, at the rate of a row."""
    assert compiled.ours is not None
    seconds = MEMNET_EPOCHS * MEMNET_PATCHES / compiled.ours
    return Row(schedule_name(case), "min", ours=seconds / 60)


def _rows(case: Case, folder: Path) -> Iterator[Row]:
    patches = packed(case.patches, folder)
    pngs = png_files(patches, folder / "png", count=4 * case.batch)
    steps = _steps(case, patches)
    memory = Pairs()

    def rate(ours: Case) -> Callable[[], float]:
        return partial(ours.long_rate, patches, steps)

    yield alternate(
        _noting_the_peak(partial(plain_rate, case, pngs, _PLAIN_STEPS, "cuda"), memory.plain),
        _noting_the_peak(rate(case), memory.ours),
        _ROUNDS,
        lambda: limit(case, "cuda"),
    ).of_rates(rate_name(case), "patches/s")
    yield memory.of_costs(memory_name(case), "MiB")
    one_by_one = case.with_trainer(cuda_graphs=False)
    yield alternate(rate(one_by_one), rate(case), _ROUNDS).of_rates(graphs_name(case), "patches/s")
    compiled = case.with_trainer(compile=True)
    row = alternate(rate(case), rate(compiled), _ROUNDS).of_rates(compiling_name(case), "patches/s")
    yield row
    if isinstance(case.params, MemNetParams):
        yield schedule_row(case, row)


def _steps(case: Case, patches: Path) -> int:
    """Steps that take about as many seconds as a rate is measured for."""
    return max(10, int(_SECONDS * case.long_rate(patches, 30) / case.batch))


def _noting_the_peak(work: Callable[[], float], peaks: list[float]) -> Callable[[], float]:
    """Does the work; the MiB on the GPU that it took go to a list."""

    def watched() -> float:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        rate = work()
        peaks.append(torch.cuda.max_memory_allocated() / 2**20)
        return rate

    return watched
