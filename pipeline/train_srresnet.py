"""Stage `train_srresnet`: packed patches to weights."""

from pathlib import Path

from pipeline.stage import start
from srlab.params import load_params


def main(patches: Path, weights: Path) -> None:
    """Train an SRResNet on PATCHES and write WEIGHTS."""
    params = load_params()
    from srlab import tracking
    from srlab.provenance import file_hash
    from srlab.training.fabric import launch
    from srlab.training.on_patches import sections
    from srlab.training.saving import fit_and_save
    from srlab.training.srresnet import architecture, fit
    from srlab.weights import make_card

    fabric = launch(params.trainer)
    used = sections(params, network="srresnet", patches="srgan")
    data = file_hash(patches / "index.json")
    own = params.srresnet, params.patches.srgan
    with tracking.run("srresnet", used, data) as run:
        fit_and_save(
            lambda: fit(*own, params.trainer, patches, run, fabric),
            make_card("srresnet", architecture(own[0]), own[1].scales, used, data, run.id),
            weights,
            run,
        )


if __name__ == "__main__":
    start(main)
