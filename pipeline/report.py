"""Stage `report`: the result table and the comparison strips."""

from pathlib import Path

from pipeline.stage import start
from srlab.params import load_params

METHODS = ("nearest", "bicubic", "memnet", "srresnet", "srgan")


def main(metrics: Path, images: Path, results: Path, table: Path, strips: Path) -> None:
    """Write TABLE and STRIPS from the METRICS, the IMAGES and the methods' RESULTS."""
    params = load_params()
    from srlab.report.strip import write_strips
    from srlab.report.table import markdown_table, read_metrics

    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_text(markdown_table(read_metrics([metrics / f"{name}.json" for name in METHODS])))
    write_strips(
        params.report,
        [images / name for name in params.data.test],
        {name: results / name for name in METHODS[1:]},
        {name: metrics / "per_image" / f"{name}.csv" for name in METHODS[1:]},
        strips,
    )


if __name__ == "__main__":
    start(main)
