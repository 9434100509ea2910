"""torch.compile for training: where it pays."""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.alternation import alternate
from bench.cases import m3r3, quick_memnet, quick_srresnet
from bench.material import packed
from bench.results import Row, unmeasured
from bench.settings import Settings

_COMPILERS = ("g++", "clang++", "c++")
_WARMUP = 3
"""Steps in which torch compiles."""


def measure(settings: Settings) -> Iterator[Row]:
    """Patches per second by srlab without and with `trainer.compile`, compilation not counted."""
    compiler = os.environ.get("CXX") or next(filter(shutil.which, _COMPILERS), None)
    for case in [quick_memnet(), m3r3(), quick_srresnet()]:
        name = f"torch.compile, training {case.name}"
        if compiler is None:
            yield unmeasured(name, "no C++ compiler, which torch.compile needs")
            continue
        compiled = case.with_trainer(compile=True)
        steps = max(4, int(2e11 / (case.flops_per_patch() * case.batch)))
        with TemporaryDirectory() as folder:
            patches = packed(case.patches, Path(folder))
            yield alternate(
                partial(case.rate, patches, steps, _WARMUP),
                partial(compiled.rate, patches, steps, _WARMUP),
                2,
            ).of_rates(name, "patches/s")
