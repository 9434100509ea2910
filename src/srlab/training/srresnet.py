"""Training of SRResNet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import Tensor, nn

from srlab.losses import content
from srlab.models.growth import grown_srresnet
from srlab.models.srresnet import SRResNet
from srlab.params import PatchParams, SRResNetParams, TrainerParams
from srlab.tracking import Run
from srlab.training.checkpoints import Checkpoints
from srlab.training.images import ImagePlacement
from srlab.training.supervised import Predict, fit_supervised
from srlab.training.teacher import Teacher


def architecture(params: SRResNetParams) -> dict[str, Any]:
    """The arguments of the network that params.yaml describes."""
    return {
        "scale": params.scale,
        "residual_blocks": params.residual_blocks,
        "features": params.features,
        "batch_norm": params.batch_norm,
        "bicubic_skip": params.bicubic_skip,
        "outer_kernel": params.outer_kernel,
        "upsampler": params.upsampler,
    }


def fit(
    params: SRResNetParams,
    patches: PatchParams,
    trainer: TrainerParams,
    folder: Path,
    run: Run,
    fabric: Fabric,
    checkpoints: Checkpoints,
    start: Mapping[str, Tensor] | None = None,
    teacher: nn.Module | None = None,
) -> SRResNet:
    """Train an SRResNet on packed patches, from the weights `start` or random ones.

    `start` may be of an SRResNet with fewer residual blocks, see `srlab.models.growth`.

    With a teacher it learns from that network as well, as `params.teacher` says. See
    `srlab.training.supervised.fit_supervised`.
    """
    network = SRResNet(**architecture(params))
    if start is not None:
        network.load_state_dict(grown_srresnet(start, network))

    guide = None
    if teacher is not None and params.teacher is not None:
        placed = ImagePlacement(trainer, fabric).module(teacher)
        guide = Teacher(placed, params.teacher.weight, params.luma)

    def terms(predict: Predict, lr: Tensor, hr: Tensor) -> dict[str, Tensor]:
        sr = predict(lr)
        losses = {"content": content(sr, hr, params.loss, params.luma)}
        return losses if guide is None else {**losses, "teacher": guide.loss(lr, sr)}

    return fit_supervised(
        network,
        terms,
        name="srresnet",
        method="forward",
        params=params,
        patches=patches,
        trainer=trainer,
        folder=folder,
        run=run,
        fabric=fabric,
        checkpoints=checkpoints,
    )
