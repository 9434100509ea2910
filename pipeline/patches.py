"""Stage `patches`: cut, degrade and pack the training images for one network."""

import json
from pathlib import Path

from pipeline.stage import start
from srlab.params import load_params

PATCHES_IN_THE_PAPER = {"memnet": 129_518}
"""Of T91, BSDS200 and General100 together, as Lal & Javid count them; they do not for SRGAN."""


def main(network: str, images: Path, output: Path, metrics: Path, cost: Path) -> None:
    """Pack the patches for NETWORK from IMAGES into OUTPUT; write METRICS and COST."""
    params = load_params()
    from srlab.costs import measured
    from srlab.data.patches import cut
    from srlab.data.raw import select_datasets

    with measured(cost):
        index = cut(
            getattr(params.patches, network), select_datasets(images, params.data.train), output
        )
    counts = {
        name: dataset["patches_of_whole_images"] for name, dataset in index["datasets"].items()
    }
    metrics.parent.mkdir(parents=True, exist_ok=True)
    summary = {
        "patches": index["patches"],
        "patches_of_whole_images": counts,
        "patches_in_the_paper": PATCHES_IN_THE_PAPER.get(network),
    }
    metrics.write_text(json.dumps(summary, indent=2) + "\n")
    print(f"{network}: {index['patches']} patches; of whole images, held out or not: {counts}")


if __name__ == "__main__":
    start(main)
