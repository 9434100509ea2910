"""torch.compile for training: where it pays."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.alternation import alternate, seconds
from bench.cases import Case, training_cases
from bench.material import packed
from bench.results import Row, unmeasured
from bench.settings import Settings
from bench.training import compare, name_of

_COMPILERS = ("g++", "clang++", "c++")
_ROUNDS = 4
_WARMUP = 2


def measure(settings: Settings) -> Iterator[Row]:
    """For each training, with `trainer.compile`, compilation not counted but where it is named.

    Yields the seconds that compiling takes; patches per second without it and with it; and plain
    code's against those with it, with the share of the matrix-product rate.
    """
    compiler = os.environ.get("CXX") or next(filter(shutil.which, _COMPILERS), None)
    for case in training_cases():
        if compiler is None:
            reason = "no C++ compiler, which torch.compile needs"
            yield from (unmeasured(name, reason) for name in _names(case))
            continue
        yield from _measured(case)


def _names(case: Case) -> tuple[str, str, str]:
    training = name_of(case)
    return (
        f"torch.compile, time it takes, {training}",
        f"torch.compile, {training}",
        (f"{training}, compiled"),
    )


def _measured(case: Case) -> Iterator[Row]:
    compiling, against_eager, against_plain = _names(case)
    compiled = case.with_trainer(compile=True)
    with TemporaryDirectory() as folder, _empty_cache(Path(folder, "compiled")):
        patches = packed(case.patches, Path(folder))
        first, second = (seconds(partial(compiled.train, patches, 1)) for _ in range(2))
        yield Row(compiling, "s", ours=first - second)
        steps = case.round_steps()
        yield alternate(
            partial(case.rate, patches, steps, _WARMUP),
            partial(compiled.rate, patches, steps, _WARMUP),
            _ROUNDS,
        ).of_rates(against_eager, "patches/s")
        yield compare(compiled, Path(folder, "again"), _ROUNDS).of_rates(against_plain, "patches/s")


@contextmanager
def _empty_cache(folder: Path) -> Iterator[None]:
    """Let torch find nothing that it has compiled before: users' first training finds nothing."""
    name = "TORCHINDUCTOR_CACHE_DIR"
    before = os.environ.get(name)
    os.environ[name] = str(folder)
    try:
        yield
    finally:
        del os.environ[name]
        if before is not None:
            os.environ[name] = before
