"""Stage `train_memnet`: packed patches to weights."""

from pathlib import Path

from pipeline.stage import start
from srlab.params import load_params


def main(patches: Path, weights: Path) -> None:
    """Train a MemNet on PATCHES and write WEIGHTS."""
    params = load_params()
    from srlab import tracking
    from srlab.provenance import file_hash
    from srlab.training.fabric import launch
    from srlab.training.memnet import fit_and_save, sections

    fabric = launch(params.trainer)
    with tracking.run("memnet", sections(params), file_hash(patches / "index.json")) as run:
        fit_and_save(params, patches, weights, run, fabric)


if __name__ == "__main__":
    start(main)
