"""srlab's own loops in C++ against PyTorch's operations, alone and in training."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from bench.alternation import Pairs, alternate
from bench.cases import Case, training_cases
from bench.child import Child
from bench.limits import matrix_rate
from bench.material import packed
from bench.results import Row, unmeasured
from bench.settings import Settings
from bench.training import name_of
from srlab.heap import keep_freed_memory
from srlab.models.convolution import weight_gradient
from srlab.models.memnet import MemNet
from srlab.native.compiled import NORM_RELU, SWITCH, WEIGHT_GRADIENT, library

_ROUNDS = 12
_SHAPES = [(64, 64, 3), (32, 32, 3), (768, 64, 1)]
"""Inputs, outputs and kernel of convolutions: those of M6R6, those of M2R2, and a gate's."""
_PATCHES, _SIDE = 32, 31


def measure(settings: Settings) -> Iterator[Row]:
    """GFLOP/s of the gradients of weights, and patches per second of trainings."""
    rounds = 2 if settings.quick else _ROUNDS
    for inputs, outputs, kernel in _SHAPES:
        name = f"gradient of {kernel}x{kernel} weights, {inputs} to {outputs} maps"
        if library(WEIGHT_GRADIENT) is None:
            yield unmeasured(name, "no C++ compiler, or not a processor that it is for")
        else:
            yield _of_weights(inputs, outputs, kernel, rounds).of_rates(name, "GFLOP/s")
    for case in training_cases(quick=settings.quick):
        name = f"native loops, {name_of(case)}"
        used = NORM_RELU if isinstance(case.network(), MemNet) else WEIGHT_GRADIENT
        if library(used) is None:
            yield unmeasured(name, f"no C++ compiler, or {SWITCH} is 0")
            continue
        with TemporaryDirectory() as folder:
            yield _compare(case, Path(folder), settings, rounds).of_rates(name, "patches/s")


def _of_weights(inputs: int, outputs: int, kernel: int, rounds: int) -> Pairs:
    x, of_y = (
        torch.randn(_PATCHES, channels, _SIDE, _SIDE)
        .to(torch.bfloat16)
        .to(memory_format=torch.channels_last)
        for channels in (inputs, outputs)
    )
    shape = (outputs, inputs, kernel, kernel)
    weight = torch.empty(shape, dtype=x.dtype, memory_format=torch.channels_last)
    operations = 2 * _PATCHES * _SIDE**2 * weight.numel()

    def torchs() -> object:
        padding = [kernel // 2] * 2
        return torch.ops.aten.convolution_backward(
            of_y, x, weight, None, [1, 1], padding, [1, 1], False, [0, 0], 1, [False, True, False]
        )

    def rate(work: Callable[[], object]) -> float:
        times = max(2, int(2e11 / operations))
        work()
        start = time.perf_counter()
        for _ in range(times):
            work()
        return times * operations / (time.perf_counter() - start) / 1e9

    return alternate(
        lambda: rate(torchs),
        lambda: rate(lambda: weight_gradient(x, of_y, kernel)),
        rounds,
        lambda: matrix_rate(x.dtype),
    )


def _compare(case: Case, folder: Path, settings: Settings, rounds: int) -> Pairs:
    patches = packed(case.patches, folder)
    steps = case.round_steps()
    with Child(settings.threads) as torchs, Child(settings.threads) as ours:
        return alternate(
            lambda: torchs.call(_rate_without, case, patches, steps).value,
            lambda: ours.call(_rate, case, patches, steps).value,
            rounds,
        )


def _rate(case: Case, patches: Path, steps: int) -> float:
    keep_freed_memory()
    return case.rate(patches, steps, warmup=2)


def _rate_without(case: Case, patches: Path, steps: int) -> float:
    os.environ[SWITCH] = "0"  # asked for once in a process
    return _rate(case, patches, steps)
