"""bf16 against float32: the same steps must give the same loss, but for noise."""

import statistics
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.cases import Case, quick_memnet, quick_srresnet
from bench.material import packed
from bench.results import EMULATED, Row, unmeasured
from bench.settings import Settings
from srlab.machine import computes_bf16

_SEEDS = (1, 2, 3)


def measure(settings: Settings) -> Iterator[Row]:
    """Losses of trainings from three seeds, float32 as plain."""
    for case in (quick_memnet(), quick_srresnet()):
        names = (
            f"bf16, loss before the first step: {case.name}",
            f"bf16, loss: {case.name}",
            f"bf16, distance from float32's loss: {case.name}",
        )
        if not computes_bf16("cpu"):
            yield from (unmeasured(name, EMULATED) for name in names)
            continue
        yield from _compare(case, names, steps=30 if settings.quick else 150)


def _compare(case: Case, names: tuple[str, str, str], steps: int) -> Iterator[Row]:
    with TemporaryDirectory() as folder:
        patches = packed(case.patches, Path(folder))
        float32, bf16 = (
            [
                _losses(case.with_trainer(precision=kind, seed=seed), patches, steps)
                for seed in _SEEDS
            ]
            for kind in ("float32", "bf16")
        )
    # These networks start as the bicubic image, which bf16 must leave alone.
    first = max(abs(b[0] / f[0] - 1) for b, f in zip(bf16, float32, strict=True))
    yield Row(names[0], "largest relative difference from float32's", ours=first)
    last = [[statistics.mean(losses[-steps // 4 :]) for losses in each] for each in (float32, bf16)]
    plain, ours = (statistics.mean(each) for each in last)
    yield Row(names[1], f"loss after {steps} steps", plain, ours, plain / ours)
    # The same seed sees the same patches in both, so that their difference is bf16's alone.
    distance = abs(ours - plain) / statistics.stdev(last[0])
    yield Row(names[2], "standard deviations between seeds", ours=distance)


def _losses(case: Case, patches: Path, steps: int) -> list[float]:
    """Of each step."""
    return case.train(patches, steps)[1].losses
