"""Stage `train_srresnet`: packed patches to weights."""

from pathlib import Path

from pipeline.stage import start
from srlab.params import load_params


def main(patches: Path, weights: Path, curves: Path, cost: Path) -> None:
    """Train an SRResNet on PATCHES; write WEIGHTS, CURVES and COST."""
    params = load_params()
    from srlab.heap import keep_freed_memory
    from srlab.models.growth import SRRESNET_GROWS
    from srlab.native.compiled import WEIGHT_GRADIENT
    from srlab.training.native_inputs import native_inputs
    from srlab.training.on_patches import sections
    from srlab.training.recorded import Training, train_recorded
    from srlab.training.srresnet import architecture, fit
    from srlab.training.start import load_start
    from srlab.training.teacher import load_teacher

    keep_freed_memory()
    own = params.srresnet, params.patches.srgan
    begin = load_start(
        own[0].start, "srresnet.start", "srresnet", architecture(own[0]), grows=SRRESNET_GROWS
    )
    teacher, taught_by = load_teacher(own[0].teacher, "srresnet", own[0].scale)
    training = Training(
        name="srresnet",
        architecture="srresnet",
        hyperparameters=architecture(own[0]),
        scales=own[1].scales,
        trainer=params.trainer,
        sections=sections(params, network="srresnet", patches="srgan"),
        patches=patches,
        inputs={
            **begin.inputs,
            **taught_by,
            **native_inputs(params.trainer, WEIGHT_GRADIENT),
        },
    )
    train_recorded(
        training,
        lambda run, fabric, checkpoints: fit(
            *own, params.trainer, patches, run, fabric, checkpoints, begin.weights, teacher
        ),
        weights=weights,
        curves=curves,
        cost=cost,
    )


if __name__ == "__main__":
    start(main)
