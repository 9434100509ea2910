"""Stage `report`: Table 1, strips, figures, model cards and the page."""

from pathlib import Path

from pipeline.stage import start
from srlab.params import load_params


def main(
    metrics: Path,
    images: Path,
    results: Path,
    models: Path,
    published: Path,
    studies: Path,
    output: Path,
    cost: Path,
) -> None:
    """Write the report to OUTPUT and its tables into METRICS; write COST."""
    params = load_params()
    from srlab.costs import measured
    from srlab.report.build import Sources, build_report

    sources = Sources(metrics, images, results, models, published, studies)
    with measured(cost):
        build_report(params, sources, output)


if __name__ == "__main__":
    start(main)
