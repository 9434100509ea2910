"""Training of MemNet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor, nn

from srlab.losses import supervised
from srlab.models.growth import grown_memnet
from srlab.models.memnet import MemNet
from srlab.params import MemNetParams, PatchParams, TrainerParams
from srlab.tracking import Run
from srlab.training.checkpoints import Checkpoints
from srlab.training.images import ImagePlacement
from srlab.training.supervised import Predict, fit_supervised
from srlab.training.teacher import Teacher


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
    start: Mapping[str, Tensor] | None = None,
    teacher: nn.Module | None = None,
) -> MemNet:
    """Train a MemNet on packed patches, from the weights `start` or random ones.

    `start` may be of a smaller MemNet, see `srlab.models.growth`.

    With a teacher it learns from that network as well, as `params.teacher` says. See
    `srlab.training.supervised.fit_supervised`.
    """
    network = MemNet(**architecture(params))
    if start is not None:
        network.load_state_dict(grown_memnet(start, network))

    guide = None
    if teacher is not None and params.teacher is not None:
        guide = Teacher(ImagePlacement(trainer, fabric).module(teacher), params.teacher.weight)

    def terms(predict: Predict, enlarged: Tensor, hr: Tensor) -> dict[str, Tensor]:
        outputs = predict(enlarged)
        average = network.average(outputs) if params.supervision == "multi" else None
        losses = supervised(outputs, average, hr, params.loss)
        if guide is None:
            return losses
        sr = outputs[-1] if average is None else average
        return {**losses, "teacher": guide.loss(enlarged, sr)}

    return fit_supervised(
        network,
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
