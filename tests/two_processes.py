"""Run by torchrun in two processes: two_processes PATCHES RESULTS.

Trains what `test_distributed.py` compares. Each rank writes `RESULTS/RANK/`.
"""

import contextlib
import hashlib
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from test_resume import (
    Training,
    memnet_training,
    outcome,
    srgan_training,
    srresnet_training,
)
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from srlab.params import Params, load_params
from srlab.tracking import SilentRun
from srlab.training.checkpoints import CheckpointFolder, Checkpoints, NoCheckpoints
from srlab.training.curves import Curves

STEPS = 10


def small(devices: int | str) -> Params:
    params = load_params(ROOT / "profiles" / "smoke.yaml")
    return params.model_copy(
        update={"trainer": params.trainer.model_copy(update={"devices": devices})}
    )


def comparable(params: Params, patches: Path) -> dict[str, Training]:
    """Trainings whose losses are means over the batch, with nothing drawn in the network."""
    budget = params.memnet.budget.model_copy(update={"steps": STEPS})
    # Steps so long that a gradient which is not averaged shows within a few of them.
    optimizer = params.srgan.optimizer.model_copy(update={"learning_rate": 3e-3})
    discriminator = params.srgan.discriminator.model_copy(
        update={"batch_norm": False, "dropout": 0.0, "optimizer": optimizer}
    )
    return {
        "memnet": memnet_training(
            params,
            patches,
            budget=budget,
            supervision="multi",
            memory_blocks=2,
            loss="half_sum_squared",
            optimizer=params.memnet.optimizer.model_copy(update={"clip_norm": 0.5}),
        ),
        "srresnet": srresnet_training(params, patches, budget=budget, loss="mse"),
        "srgan": srgan_training(
            params, patches, budget=budget, optimizer=optimizer, discriminator=discriminator
        ),
    }


@contextlib.contextmanager
def fixed_statistics() -> Iterator[None]:
    """BN with mean 0 and variance 1, whatever comes: MemNet cannot be made without BN."""

    def forward(self: nn.BatchNorm2d, x: Tensor) -> Tensor:
        return batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nn.BatchNorm2d, "forward", forward)
        yield


class SignalToOne(NoCheckpoints):
    """Gets SIGTERM after the third step; the other rank gets none."""

    def __init__(self) -> None:
        self._steps = 0

    def due(self) -> bool:
        self._steps += 1
        if self._steps == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return False


def hexdigest(network: nn.Module) -> str:
    """Of the parameters: BN's statistics are each rank's own."""
    content = b"".join(p.detach().numpy().tobytes() for p in network.parameters())
    return hashlib.sha256(content).hexdigest()


def main(patches: Path, results: Path) -> None:
    torch.set_num_threads(1)
    rank = int(os.environ["RANK"])
    own = results / str(rank)
    params = small("auto")
    digests = {}
    for name, training in comparable(params, patches).items():
        curves = Curves(SilentRun())
        with fixed_statistics():
            digests[name] = hexdigest(training(curves, NoCheckpoints()))
        curves.write(own / name)

    training = srgan_training(params, patches)
    whole = outcome(training, NoCheckpoints(), own / "whole")
    draw = torch.rand(1).item()
    folder = CheckpointFolder(results / "resume" / "srgan-0123", seconds=1e6) if rank == 0 else None
    first: Checkpoints = folder or SignalToOne()
    try:
        training(Curves(SilentRun()), first)
        code = None
    except SystemExit as ended:
        code = ended.code
    kept = folder.load() if folder else None
    resumed = outcome(training, folder or NoCheckpoints(), own / "resumed")
    facts = {
        "digests": digests,
        "draw": draw,
        "code": code,
        "step": kept and kept["step"],
        "random_states": kept and len(kept["random"]),
        "differing": [key for key in whole if whole[key] != resumed[key]],
    }
    (own / "facts.json").write_text(json.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
