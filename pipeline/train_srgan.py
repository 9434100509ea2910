"""Stage `train_srgan`: SRResNet's weights to SRGAN's."""

from pathlib import Path

from pipeline.stage import start
from srlab.params import load_params


def main(
    patches: Path, pretrained: Path, backbone: Path, weights: Path, curves: Path, cost: Path
) -> None:
    """Train the PRETRAINED generator adversarially on PATCHES; write WEIGHTS, CURVES and COST.

    Where params.yaml names a released model to start from, the generator gets its weights.
    """
    params = load_params()
    from srlab.heap import keep_freed_memory
    from srlab.native.compiled import WEIGHT_GRADIENT
    from srlab.perceptual import load_perceptual_loss
    from srlab.provenance import file_hash
    from srlab.training.native_inputs import native_inputs
    from srlab.training.on_patches import sections
    from srlab.training.recorded import Training, train_recorded
    from srlab.training.srgan import fit
    from srlab.training.start import load_start
    from srlab.weights import load_srresnet

    keep_freed_memory()
    generator, card = load_srresnet(pretrained)
    begin = load_start(params.srgan.start, "srgan.start", card.architecture, card.hyperparameters)
    if begin.weights is not None:
        generator.load_state_dict(begin.weights)
    perceptual = load_perceptual_loss(params.srgan.perceptual, backbone)
    own = params.srgan, params.patches.srgan
    training = Training(
        name="srgan",
        architecture="srresnet",
        hyperparameters=card.hyperparameters,
        scales=card.scales,
        trainer=params.trainer,
        sections=sections(params, network="srgan", patches="srgan"),
        patches=patches,
        inputs={
            "pretrained_sha256": file_hash(pretrained),
            "backbone_sha256": file_hash(backbone),
            **begin.inputs,
            **native_inputs(params.trainer, WEIGHT_GRADIENT),
        },
    )
    train_recorded(
        training,
        lambda run, fabric, checkpoints: fit(
            *own, params.trainer, patches, generator, perceptual, run, fabric, checkpoints
        ),
        weights=weights,
        curves=curves,
        cost=cost,
    )


if __name__ == "__main__":
    start(main)
