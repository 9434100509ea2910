"""The tables of the released models: `python -m srlab.report.released METRICS PUBLISHED`.

Writes `table.md`, with every score, and `headline.md`, which README.md begins with, into METRICS.
"""

import sys
from pathlib import Path

from srlab.report.headline import headline_tables
from srlab.report.published import read_published
from srlab.report.scores import MethodScores, read_scores
from srlab.report.table import result_tables
from srlab.zoo.registry import load_registry

_INTERPOLATIONS = ("nearest", "bicubic")
_FAMILIES = ("memnet", "srresnet", "srgan")


def released_tables(metrics: Path, published: Path) -> dict[str, str]:
    """Name of the file -> Markdown.

    Args:
        metrics: folder of the released models' scores.
        published: data/published.yaml.

    Raises:
        SrlabError: see `read_scores`, `read_published` and `load_registry`.
    """
    scores = _scores(metrics)
    headline = headline_tables(scores, read_published(published))
    return {
        name: "\n\n".join(table.to_markdown() for table in tables) + "\n"
        for name, tables in (("headline.md", headline), ("table.md", result_tables(scores)))
    }


def _scores(metrics: Path) -> dict[str, MethodScores]:
    """The interpolations, then the released models, network by network."""
    models = [entry.name for entry in load_registry().models]
    models.sort(key=lambda name: _FAMILIES.index(name.split("_")[0]))
    found = read_scores(metrics, [*_INTERPOLATIONS, *models])
    return {name: scores for name, scores in found.items() if scores is not None}


if __name__ == "__main__":
    for name, text in released_tables(Path(sys.argv[1]), Path(sys.argv[2])).items():
        Path(sys.argv[1], name).write_text(text, encoding="utf-8")
