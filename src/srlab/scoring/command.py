"""The command `srlab evaluate`: contestants in, tables out."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from srlab.complaints import nearest
from srlab.errors import SrlabError
from srlab.evaluation import Case, write_scores
from srlab.heap import keep_freed_memory
from srlab.metrics.protocols import PROTOCOLS
from srlab.params import EvaluateParams, Scale
from srlab.report.scores import MethodScores
from srlab.report.table import result_tables
from srlab.scoring.backbone import perceptual_metrics
from srlab.scoring.benchmarks import benchmark_folder
from srlab.scoring.contestants import contestant, score_contestant


def evaluate(
    targets: Sequence[str],
    *,
    benchmarks: Sequence[str],
    protocols: Sequence[str],
    scales: Sequence[int],
    strength: float | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Score contestants and print their tables.

    Args:
        targets: see `srlab.scoring.contestants.contestant`.
        benchmarks: see `srlab.scoring.benchmarks.benchmark_folder`.
        protocols, scales: what they are scored by.
        strength: of an SRGAN among them.
        output: a folder for `NAME.json` and `per_image/NAME.csv`, as the pipeline writes them, and
            `table.md`.
        as_json: print the means as JSON.

    Raises:
        SrlabError: something that was named is not there, or cannot be scored.
    """
    keep_freed_memory()
    params = _params(protocols, scales)
    only = params.scales[0] if len(params.scales) == 1 else None
    contestants = [contestant(target, strength=strength, scale=only) for target in targets]
    names = [entry.name for entry in contestants]
    if twice := {name for name in names if names.count(name) > 1}:
        raise SrlabError(f"two of those that are scored are called {min(twice)}; rename a file")
    folders = [benchmark_folder(name) for name in benchmarks]
    perceptual = perceptual_metrics()
    scores: dict[str, MethodScores] = {}
    columns = (TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=sys.stderr), transient=True) as progress:
        task = progress.add_task("")
        for entry in contestants:

            def tell(case: Case, name: str = entry.name) -> None:
                where = f"{case.dataset} {case.image} x{case.scale} {case.protocol}"
                progress.update(task, description=f"{name}: {where}")

            scores[entry.name] = score_contestant(entry, params, folders, perceptual, tell)
            if output is not None:
                _write(entry.name, scores[entry.name], output)
    tables = "\n\n".join(table.to_markdown() for table in result_tables(scores))
    if output is not None:
        (output / "table.md").write_text(tables + "\n", encoding="utf-8")
    if as_json:
        trees = {
            name: {**method.means, "made_by": method.made_by.model_dump()}
            for name, method in scores.items()
        }
        print(json.dumps(trees, indent=2))
    else:
        print(tables)


def _params(protocols: Sequence[str], scales: Sequence[int]) -> EvaluateParams:
    for name in protocols:
        if name not in PROTOCOLS:
            raise SrlabError(f"--protocol {name}: no such protocol; {nearest(name, [*PROTOCOLS])}")
    for scale in scales:
        if scale not in get_args(Scale):
            raise SrlabError(f"--scale {scale}: choose from {', '.join(map(str, get_args(Scale)))}")
    tree = {"protocols": protocols, "scales": scales, "strength": 1.0}
    return EvaluateParams.model_validate(tree)


def _write(name: str, scores: MethodScores, output: Path) -> None:
    made_by = scores.made_by.model_dump()
    write_scores(
        list(scores.images), made_by, output / f"{name}.json", output / "per_image" / f"{name}.csv"
    )
