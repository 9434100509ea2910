"""Where the time goes: torch's profile of a training or of inference, as text."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch.profiler import ProfilerActivity, profile

from bench.cases import Case, m3r3, paper_memnet, paper_srresnet, quick_memnet, quick_srresnet
from bench.inference import folded_m6r6
from bench.material import noise, packed

_CASES: dict[str, Callable[[], Case]] = {
    "m3r3": m3r3,
    "memnet": quick_memnet,
    "srresnet": quick_srresnet,
    "paper-memnet": paper_memnet,
    "paper-srresnet": paper_srresnet,
    "gpu-memnet": lambda: paper_memnet().with_trainer(accelerator="cuda"),
    "gpu-srresnet": lambda: paper_srresnet().with_trainer(accelerator="cuda"),
}
NAMES = (*_CASES, "inference")
_STEPS = 6

# The profiler writes its own start and stop, and that there is no GPU, to standard error.
os.environ.setdefault("KINETO_LOG_LEVEL", "99")
_LINES = 40


def profiled(name: str) -> str:
    """The operations that take longest, summed over some steps behind those that do not count.

    Args:
        name: one of `NAMES`; `inference` is the folded M6R6 on 256x256 pixels.
    """
    if name == "inference":
        network, image = folded_m6r6(), noise(1, 256)
        with torch.no_grad():
            return _table(lambda: network(image))
    case = _CASES[name]()
    with TemporaryDirectory() as folder:
        patches = packed(case.patches, Path(folder))
        return _table(lambda: case.train(patches, _STEPS), case.trainer.accelerator)


def _table(work: Callable[[], object], device: str = "cpu") -> str:
    work()
    activities = [ProfilerActivity.CPU]
    if device == "cuda":
        activities.append(ProfilerActivity.CUDA)
    with profile(activities=activities) as profiler:
        work()
    return str(
        profiler.key_averages().table(
            sort_by=f"self_{device}_time_total", row_limit=_LINES, max_name_column_width=60
        )
    )
