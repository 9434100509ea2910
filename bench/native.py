"""MemNet's BN and ReLU as srlab's own loops, against PyTorch's operations."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.alternation import Pairs, alternate
from bench.cases import Case, training_cases
from bench.child import Child
from bench.material import packed
from bench.results import Row, unmeasured
from bench.settings import Settings
from bench.training import name_of
from srlab.heap import keep_freed_memory
from srlab.models.memnet import MemNet
from srlab.native.compiled import SWITCH, library

_ROUNDS = 12


def measure(settings: Settings) -> Iterator[Row]:
    """Patches per second of MemNet's trainings."""
    for case in training_cases(quick=settings.quick):
        name = f"native loops, {name_of(case)}"
        if not isinstance(case.network(), MemNet):
            continue
        if library("norm_relu") is None:
            yield unmeasured(name, f"no C++ compiler, or {SWITCH} is 0")
            continue
        with TemporaryDirectory() as folder:
            yield _compare(case, Path(folder), settings).of_rates(name, "patches/s")


def _compare(case: Case, folder: Path, settings: Settings) -> Pairs:
    patches = packed(case.patches, folder)
    steps = case.round_steps()
    with Child(settings.threads) as torchs, Child(settings.threads) as ours:
        return alternate(
            lambda: torchs.call(_rate_without, case, patches, steps).value,
            lambda: ours.call(_rate, case, patches, steps).value,
            2 if settings.quick else _ROUNDS,
        )


def _rate(case: Case, patches: Path, steps: int) -> float:
    keep_freed_memory()
    return case.rate(patches, steps, warmup=2)


def _rate_without(case: Case, patches: Path, steps: int) -> float:
    os.environ[SWITCH] = "0"  # asked for once in a process
    return _rate(case, patches, steps)
