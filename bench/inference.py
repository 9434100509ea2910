"""Inference: the network as trained in float32 against the folded one in bf16.

Where the processor emulates bf16, the folded one computes in float32, too.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from bench.alternation import Pairs, seconds
from bench.cases import Case, quick_memnet
from bench.child import in_child
from bench.limits import limit_type
from bench.material import enlarged_luma, noise, packed
from bench.plain_networks import PlainMemNet
from bench.results import EMULATED, Row, unmeasured
from bench.settings import Settings
from srlab.data.printed_pages import printed_page
from srlab.heap import keep_freed_memory
from srlab.inference.folded import fold
from srlab.machine import computes_bf16
from srlab.metrics.psnr import psnr
from srlab.models.memnet import MemNet

_SIDE = 512
_QUICK_SIDE = 192
_SCALE = 3
_M6R6: dict[str, Any] = {"memory_blocks": 6, "residual_units": 6, "features": 64}


def measure(settings: Settings) -> Iterator[Row]:
    """Time and peak memory in fresh processes, and how far the results are from plain's."""
    yield from _costs(_QUICK_SIDE, settings.threads, rounds=1 if settings.quick else 2)
    yield from _differences(quick_memnet(), steps=100)
    if not settings.quick:
        yield from _costs(_SIDE, settings.threads, rounds=2)
        yield from _differences(_deep(), steps=200)


def ready(network: nn.Module) -> nn.Module:
    """Folded, in the type that the processor is fastest in, channels last."""
    return fold(network.eval()).to(limit_type()).to(memory_format=torch.channels_last)


def _costs(side: int, threads: int, rounds: int) -> Iterator[Row]:
    times, memory = Pairs(), Pairs()
    for _ in range(rounds):
        plain = in_child(_enlarge, _plain_m6r6, side, threads=threads)
        ours = in_child(_folded_enlarging, side, threads=threads)
        times.plain.append(plain.value)
        times.ours.append(ours.value)
        memory.plain.append(plain.peak_bytes / 2**20)
        memory.ours.append(ours.peak_bytes / 2**20)
    name = f"inference M6R6, 64 features, {side}x{side}"
    yield times.of_costs(f"{name}: time", "s")
    yield memory.of_costs(f"{name}: memory of the whole process", "MiB")


def _deep() -> Case:
    case = quick_memnet().with_params(**_M6R6, batch=8)
    return replace(case, name="M6R6, 64 features")


def _plain_m6r6() -> nn.Module:
    return PlainMemNet(**_M6R6).eval()


def folded_m6r6() -> nn.Module:
    return ready(MemNet(**_M6R6))


def _folded_enlarging(side: int) -> float:
    """As the commands do: with memory that is kept."""
    keep_freed_memory()
    return _enlarge(folded_m6r6, side)


@torch.no_grad()
def _enlarge(network_of: Callable[[], nn.Module], side: int) -> float:
    """Seconds of the second pass."""
    network = network_of()
    image = noise(1, side)
    network(image)
    return seconds(lambda: network(image))


@torch.no_grad()
def _differences(case: Case, steps: int) -> Iterator[Row]:
    """Of a network that has learnt something: text is what a network learns fastest."""
    *pages, unseen = (printed_page(seed) for seed in range(5))
    with TemporaryDirectory() as folder, torch.enable_grad():
        network, _ = case.train(packed(case.patches, Path(folder), pages), steps)
    plain = case.plain().eval()
    plain.load_state_dict(network.state_dict())
    seen, hr = enlarged_luma(unseen, _SCALE)
    expected = plain(seen)
    name = f"inference {case.name}"
    largest = (fold(network)(seen) - expected).abs().max().item()
    yield Row(f"{name}: folded in float32 against plain", "largest difference", ours=largest)
    lost = f"{name}: PSNR lost by bf16"
    if not computes_bf16("cpu"):
        yield unmeasured(lost, EMULATED)
        return
    scores = [psnr(sr.clamp(0, 1), hr).item() for sr in (seen, expected, ready(network)(seen))]
    unit = f"dB, where the network gains {scores[1] - scores[0]:.2f} over bicubic"
    yield Row(lost, unit, ours=scores[1] - scores[2])
