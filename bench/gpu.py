"""Training on a GPU: the paper's networks."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from bench.alternation import Pairs
from bench.cases import Case, paper_memnet, paper_srresnet
from bench.plain_training import train_plainly
from bench.results import Row, unmeasured
from bench.settings import Settings
from bench.training import compare

_NO_GPU = "no GPU"


def measure(settings: Settings) -> Iterator[Row]:
    """Patches per second, share of the matrix-product rate, memory."""
    for case in (paper_memnet(), paper_srresnet()):
        names = rate_name(case), f"memory of training on a GPU, {case.name}"
        if not torch.cuda.is_available():
            yield from (unmeasured(name, _NO_GPU) for name in names)
            continue
        # PNG and NCHW in float32 against bf16, channels_last and compiled.
        case = case.with_trainer(accelerator="cuda", compile=True)
        with TemporaryDirectory() as folder:
            pairs = compare(case, Path(folder), 3, device="cuda")
            yield pairs.of_rates(names[0], "patches/s")
            yield _memory(case, Path(folder)).of_costs(names[1], "MiB")


def rate_name(case: Case) -> str:
    """The row of a training's speed."""
    return f"training on a GPU, {case.name}"


def _memory(case: Case, folder: Path) -> Pairs:
    """Peak MiB on the GPU, of what `compare` left in the folder."""

    def peak() -> float:
        return torch.cuda.max_memory_allocated() / 2**20

    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    train_plainly(
        case.plain(),
        case.plain_loss(),
        folder / "png",
        batch=case.batch,
        steps=2,
        device="cuda",
    )
    plain = peak()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    case.rate(folder / "packed", 2)
    return Pairs([plain], [peak()])
