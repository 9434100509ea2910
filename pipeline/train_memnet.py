"""Stage `train_memnet`: packed patches to weights."""

from pathlib import Path

from pipeline.stage import start
from srlab.params import load_params


def main(patches: Path, weights: Path, curves: Path, cost: Path) -> None:
    """Train a MemNet on PATCHES; write WEIGHTS, CURVES and COST."""
    params = load_params()
    from srlab.heap import keep_freed_memory
    from srlab.models.growth import MEMNET_GROWS
    from srlab.native.compiled import NORM_RELU, WEIGHT_GRADIENT
    from srlab.training.memnet import architecture, fit
    from srlab.training.native_inputs import native_inputs
    from srlab.training.on_patches import sections
    from srlab.training.recorded import Training, train_recorded
    from srlab.training.start import load_start
    from srlab.training.teacher import load_teacher

    keep_freed_memory()
    own = params.memnet, params.patches.memnet
    begin = load_start(
        own[0].start,
        "memnet.start",
        "memnet",
        architecture(own[0]),
        grows=() if own[0].share_weights else MEMNET_GROWS,
    )
    teacher, taught_by = load_teacher(own[0].teacher, "memnet")
    loops = native_inputs(params.trainer, NORM_RELU, WEIGHT_GRADIENT)
    training = Training(
        name="memnet",
        architecture="memnet",
        hyperparameters=architecture(own[0]),
        scales=own[1].scales,
        trainer=params.trainer,
        sections=sections(params, network="memnet", patches="memnet"),
        patches=patches,
        inputs={**begin.inputs, **taught_by, **loops},
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
