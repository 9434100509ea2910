"""Freed memory that the process keeps, as the trainings of the pipeline do, against glibc's way."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.alternation import alternate
from bench.cases import Case, deep_memnet, m3r3
from bench.child import in_child
from bench.material import packed
from bench.results import Row
from bench.settings import Settings
from bench.training import name_of
from srlab.heap import keep_freed_memory

_ROUNDS = 4


def measure(settings: Settings) -> Iterator[Row]:
    """Patches per second of trainings in fresh processes: what is kept stays kept in one."""
    for case in (m3r3(), deep_memnet()):
        yield _compare(case, settings.threads, rounds=1 if settings.quick else _ROUNDS)


def _compare(case: Case, threads: int, rounds: int) -> Row:
    with TemporaryDirectory() as folder:
        patches = packed(case.patches, Path(folder))

        def rate(*, keeps: bool) -> float:
            return in_child(_rate, case, patches, keeps, threads=threads).value

        return alternate(lambda: rate(keeps=False), lambda: rate(keeps=True), rounds).of_rates(
            f"freed memory kept, {name_of(case)}", "patches/s"
        )


def _rate(case: Case, patches: Path, keeps: bool) -> float:
    if keeps:
        keep_freed_memory()
    steps = 2 * case.round_steps()
    return case.rate(patches, steps, warmup=2)
