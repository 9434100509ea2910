"""What the machine can do: matrix products, and memory bandwidth."""

import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from bench.alternation import alternate
from bench.results import EMULATED, Row, unmeasured
from bench.settings import Settings
from srlab.machine import computes_bf16

MATRIX_PRODUCT = "matrix product: bf16 against float32"
COPY = "memory: copy"
TRIAD = "memory: triad"

_SIDE = {"cpu": 2048, "cuda": 8192}
_BYTES = 2**28
"""Of each array: more than any cache holds."""


def measure(settings: Settings) -> Iterator[Row]:
    """The limits of the processor."""
    rounds = 5 if settings.quick else 15
    if computes_bf16("cpu"):
        yield alternate(
            lambda: matrix_rate(torch.float32), lambda: matrix_rate(torch.bfloat16), rounds
        ).of_rates(MATRIX_PRODUCT, "GFLOP/s")
    else:
        yield unmeasured(MATRIX_PRODUCT, EMULATED)
    a, b, c = (torch.ones(_BYTES // 4) for _ in range(3))
    copied = _median_seconds(lambda: b.copy_(a), rounds)
    yield Row(COPY, "GB/s", ours=2 * _BYTES / copied / 1e9)
    added = _median_seconds(lambda: torch.add(a, b, alpha=3, out=c), rounds)
    yield Row(TRIAD, "GB/s", ours=3 * _BYTES / added / 1e9)


def matrix_rate(kind: torch.dtype, device: str = "cpu", products: int = 3) -> float:
    """GFLOP/s of square matrix products, the fastest of a few: it is a limit that is asked for."""
    side = _SIDE[device]
    # Not ones: a GPU multiplies those faster than data.
    a, b = (torch.randn(side, side, dtype=kind, device=device) for _ in range(2))
    best = min(_seconds(lambda: a @ b, device) for _ in range(products))
    return 2 * side**3 / best / 1e9


def limit_type(device: str = "cpu") -> torch.dtype:
    """The type that a device computes fastest in, as `trainer.precision: auto` takes it."""
    return torch.bfloat16 if computes_bf16(device) else torch.float32


def _median_seconds(work: Callable[[], Tensor], rounds: int) -> float:
    return statistics.median(_seconds(work, "cpu") for _ in range(rounds))


def _seconds(work: Callable[[], Tensor], device: str) -> float:
    def wait() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    wait()
    start = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - start
