"""torch.compile for training: where it pays."""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import training
from bench.alternation import alternate
from bench.cases import Case, m3r3, paper_memnet, paper_srresnet, quick_memnet, quick_srresnet
from bench.material import packed
from bench.results import Row, unmeasured
from bench.settings import Settings

_COMPILERS = ("g++", "clang++", "c++")
_WARMUP = 3
"""Steps in which torch compiles."""


def measure(settings: Settings) -> Iterator[Row]:
    """Compiled training against plain code, and against srlab's without `trainer.compile`.

    Patches per second behind the steps that compile.
    """
    compiler = os.environ.get("CXX") or next(filter(shutil.which, _COMPILERS), None)
    cases = [quick_memnet(), m3r3(), quick_srresnet()]
    if not settings.quick:
        cases += [paper_memnet().with_params(batch=16), paper_srresnet()]
    for case in cases:
        against_plain, against_eager = name_of(case), f"torch.compile, {training.name_of(case)}"
        if compiler is None:
            for name in (against_plain, against_eager):
                yield unmeasured(name, "no C++ compiler, which torch.compile needs")
            continue
        compiled = case.with_trainer(compile=True)
        steps = max(4, int(2e11 / (case.flops_per_patch() * case.batch)))
        with TemporaryDirectory() as folder:
            patches = packed(case.patches, Path(folder))
            plainly, _ = training.both(case, Path(folder) / "plain", steps)
            eager = partial(case.rate, patches, steps, _WARMUP)
            ours = partial(compiled.rate, patches, steps, _WARMUP)
            yield alternate(plainly, ours, 2, partial(training.limit, case)).of_rates(
                against_plain, "patches/s"
            )
            yield alternate(eager, ours, 2).of_rates(against_eager, "patches/s")


def name_of(case: Case) -> str:
    """The row of a compiled training against plain code."""
    return f"{training.name_of(case)}, compiled"
