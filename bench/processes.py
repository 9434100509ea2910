"""One process against two, and both against the formula for the exchange of gradients."""

import json
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import ROOT
from bench.cases import quick_memnet
from bench.commands import run
from bench.formulas import Link, exchange_seconds
from bench.material import packed
from bench.power_law import growth_of
from bench.results import Growth, Row, unmeasured
from bench.settings import Settings

SPEED = "training in two processes against one, a core each"
FORMULA = "a step in two processes: as the formula says against measured"
LATENCY = "gloo, two processes of this machine: latency"
BANDWIDTH = "gloo, two processes of this machine: bandwidth"


@dataclass(frozen=True)
class Shared:
    """What a training in some processes took."""

    processes: int
    patches_per_step: int
    """Of all processes."""
    step_seconds: float
    gradient_bytes: int
    exchange_seconds: float
    """Of a single value: the latency."""
    large_bytes: int
    large_exchange_seconds: float
    """Of so many bytes."""

    @property
    def rate(self) -> float:
        """Patches per second of all processes."""
        return self.patches_per_step / self.step_seconds


def measure(settings: Settings) -> Iterator[Row | Growth]:
    """One thread and the same batch in each process."""
    if settings.threads < 2:
        yield from (
            unmeasured(name, "two processes need two cores")
            for name in (SPEED, FORMULA, LATENCY, BANDWIDTH)
        )
        return
    steps, rounds = (20, 1) if settings.quick else (60, 3)
    with TemporaryDirectory() as name:
        patches = packed(quick_memnet().patches, Path(name))
        measured = [(_train(patches, steps, 1), _train(patches, steps, 2)) for _ in range(rounds)]
    alone, together = (
        sorted(column, key=lambda shared: shared.step_seconds)[rounds // 2]
        for column in zip(*measured, strict=True)
    )
    ratio = statistics.median(two.rate / one.rate for one, two in measured)
    yield Row(SPEED, "patches/s", alone.rate, together.rate, ratio)
    link = link_of(together)
    yield Row(LATENCY, "ms", ours=1e3 * link.latency)
    yield Row(BANDWIDTH, "GB/s", ours=link.bandwidth / 1e9)
    exchange = exchange_seconds(together.gradient_bytes, link, together.processes)
    predicted = 1e3 * (alone.step_seconds + exchange)
    found = 1e3 * together.step_seconds
    yield Row(FORMULA, "ms", predicted, found, predicted / found)
    table = growth_of(
        "number of processes",
        "a training step, as many patches for each process",
        ["1 process", "2 processes"],
        [alone.patches_per_step, together.patches_per_step],
        "patches",
        [alone.step_seconds, together.step_seconds],
    )
    yield table
    yield Row(f"growth with {table.name}", "exponent", ours=table.exponent)


def link_of(shared: Shared) -> Link:
    """What the exchange of little and of much says of the link; see `exchange_seconds`."""
    n = shared.processes
    took = max(shared.large_exchange_seconds - shared.exchange_seconds, 1e-9)
    return Link(2 * (n - 1) / n * shared.large_bytes / took, shared.exchange_seconds)


def _train(patches: Path, steps: int, count: int) -> Shared:
    command = sys.executable, "-m", "bench.worker", str(patches), str(steps), str(count)
    return Shared(**json.loads(run(ROOT, *command, threads=1)))
