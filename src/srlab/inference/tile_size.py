"""The largest tile that fits into the memory that is free.

What a network needs for each pixel is measured in one small run, since it depends on the network,
its type, its memory format and on what torch does inside of a convolution.
"""

import json
import math
import os
import tempfile
from pathlib import Path

import torch
from torch import Tensor
from torch.profiler import ProfilerActivity, profile

from srlab.inference.memory import free_bytes
from srlab.inference.tiles import Network

LARGEST = 1024
"""Beyond it a larger tile saves nearly nothing: the overlap is a small part already."""

# The profiler writes its own start and stop, and that there is no GPU, to standard error.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")

_SHARE = 0.5
"""Of the free memory; the rest is for the result and for others."""


def bytes_per_pixel(network: Network, sample: Tensor) -> float:
    """The peak of what a network allocates, for each pixel of its input.

    What the weights need in a converted form counts, too, so that of a small sample it comes out
    larger, on the safe side.

    Args:
        network: moves the sample to its device itself.
        sample: (1, C, h, w), on the device that the network computes on; 96x96 pixels are enough.
    """
    pixels = sample.shape[-2] * sample.shape[-1]
    peak = _cuda_peak if sample.device.type == "cuda" else _cpu_peak
    return peak(network, sample) / pixels


def fitting_tile(per_pixel: float, overlap: int, device: torch.device) -> int:
    """The side of the largest tile that fits, at most `LARGEST`, at least what the overlap needs.

    Args:
        per_pixel: from `bytes_per_pixel`.
        overlap: pixels that `srlab.inference.tiles.tiled` gets.
        device: where the network computes.
    """
    side = math.isqrt(int(_SHARE * free_bytes(device) / per_pixel))
    # With less than half of each side its own, a tile is computed mostly for others. If it then
    # does not fit, it is halved.
    return max(min(side, LARGEST), 4 * overlap, 16)


@torch.no_grad()
def _cuda_peak(network: Network, sample: Tensor) -> int:
    torch.cuda.reset_peak_memory_stats(sample.device)
    before = torch.cuda.memory_allocated(sample.device)
    network(sample)
    return torch.cuda.max_memory_allocated(sample.device) - before


@torch.no_grad()
def _cpu_peak(network: Network, sample: Tensor) -> int:
    """From the profiler's record of allocations: torch keeps no count on the CPU."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        network(sample)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text())["traceEvents"]
    live = peak = 0
    for event in sorted((e for e in events if e.get("name") == "[memory]"), key=lambda e: e["ts"]):
        live += event["args"]["Bytes"]
        peak = max(peak, live)
    return peak
