"""Training of MemNet."""

from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import Tensor

from srlab.losses import supervised
from srlab.models.memnet import MemNet
from srlab.params import MemNetParams, PatchParams, TrainerParams
from srlab.tracking import Run
from srlab.training.checkpoints import Checkpoints
from srlab.training.supervised import fit_supervised


def architecture(params: MemNetParams) -> dict[str, Any]:
    """The arguments of the network that params.yaml describes."""
    return {
        "memory_blocks": params.memory_blocks,
        "residual_units": params.residual_units,
        "features": params.features,
        "gate_kernel": params.gate_kernel,
        "share_weights": params.share_weights,
        "multi_supervision": params.supervision == "multi",
    }


def fit(
    params: MemNetParams,
    patches: PatchParams,
    trainer: TrainerParams,
    folder: Path,
    run: Run,
    fabric: Fabric,
    checkpoints: Checkpoints,
) -> MemNet:
    """Train a MemNet on packed patches; see `srlab.training.supervised.fit_supervised`."""

    def terms(network: _FabricModule, enlarged: Tensor, hr: Tensor) -> dict[str, Tensor]:
        outputs = network.outputs(enlarged)
        average = network.average(outputs) if params.supervision == "multi" else None
        return supervised(outputs, average, hr, params.loss)

    return fit_supervised(
        MemNet(**architecture(params)),
        terms,
        name="memnet",
        method="outputs",
        params=params,
        patches=patches,
        trainer=trainer,
        folder=folder,
        run=run,
        fabric=fabric,
        checkpoints=checkpoints,
    )
