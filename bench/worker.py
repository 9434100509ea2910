"""A training that processes share: `python -m bench.worker PATCHES STEPS PROCESSES`.

The first process prints, as JSON, what `bench.processes.Shared` holds.
"""

import json
import statistics
import sys
from dataclasses import asdict
from pathlib import Path

import torch

from bench.alternation import seconds
from bench.cases import quick_memnet
from bench.processes import Shared
from srlab.heap import keep_freed_memory
from srlab.models.complexity import parameters

_EXCHANGES = 20
_LARGE = 2**24
"""Bytes whose exchange takes as long as the link is wide."""


def main(patches: Path, steps: int, count: int) -> None:
    """Train with the case's own batch in each process, then measure exchanges."""
    keep_freed_memory()
    torch.set_num_threads(1)
    case = quick_memnet().with_trainer(devices=count)
    case = case.with_params(batch=case.batch * count)
    network, times = case.train(patches, steps + 1)
    shared = Shared(
        processes=count,
        patches_per_step=case.batch,
        step_seconds=(times.ends[-1] - times.ends[0]) / steps,
        gradient_bytes=4 * parameters(network),
        exchange_seconds=_exchange(4) if count > 1 else 0.0,
        large_bytes=_LARGE,
        large_exchange_seconds=_exchange(_LARGE) if count > 1 else 0.0,
    )
    if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0:
        print(json.dumps(asdict(shared)))


def _exchange(size: int) -> float:
    """Seconds of adding up as many bytes over all processes."""
    values = torch.ones(size // 4)
    return statistics.median(
        seconds(lambda: torch.distributed.all_reduce(values)) for _ in range(_EXCHANGES)
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
