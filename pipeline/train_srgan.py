"""Stage `train_srgan`: SRResNet's weights to SRGAN's."""

from pathlib import Path

from pipeline.stage import start
from srlab.params import load_params


def main(patches: Path, pretrained: Path, backbone: Path, weights: Path) -> None:
    """Train the PRETRAINED generator adversarially on PATCHES and write WEIGHTS."""
    params = load_params()
    from srlab import tracking
    from srlab.perceptual import load_perceptual_loss
    from srlab.provenance import file_hash
    from srlab.training.fabric import launch
    from srlab.training.on_patches import sections
    from srlab.training.saving import fit_and_save
    from srlab.training.srgan import fit
    from srlab.weights import load_srresnet, make_card

    generator, card = load_srresnet(pretrained)
    perceptual = load_perceptual_loss(params.srgan.perceptual, backbone)
    fabric = launch(params.trainer)
    used = sections(params, network="srgan", patches="srgan")
    data = file_hash(patches / "index.json")
    own = params.srgan, params.patches.srgan
    with tracking.run("srgan", used, data) as run:
        run.set_tags({"pretrained_sha256": file_hash(pretrained)})
        fit_and_save(
            lambda: fit(*own, params.trainer, patches, generator, perceptual, run, fabric),
            make_card("srresnet", card.hyperparameters, card.scales, used, data, run.id),
            weights,
            run,
        )


if __name__ == "__main__":
    start(main)
