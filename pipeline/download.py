"""Stage `download_train` and `download_test`: one dataset, checked."""

from pathlib import Path

from pipeline.stage import start
from srlab.params import load_params


def main(name: str, catalog: Path, output: Path, cost: Path) -> None:
    """Download the dataset NAME of CATALOG into OUTPUT; write COST."""
    load_params()
    from srlab.costs import measured
    from srlab.data.catalog import load_dataset
    from srlab.data.download import download
    from srlab.workspace import by_hand_folder, downloads_folder, mirror

    with measured(cost):
        download(
            name,
            load_dataset(catalog, name),
            output,
            mirror=mirror(),
            by_hand=by_hand_folder(),
            downloads=downloads_folder(),
        )


if __name__ == "__main__":
    start(main)
