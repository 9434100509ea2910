"""Stage `baseline`: score an interpolation, which needs no training."""

from pathlib import Path
from typing import Literal

from pipeline.stage import start
from srlab.params import load_params


def main(
    method: Literal["nearest", "bicubic"],
    images: Path,
    backbone: Path,
    metrics: Path,
    table: Path,
    pictures: Path,
    cost: Path,
) -> None:
    """Score METHOD on IMAGES; write METRICS, a TABLE of all images, PICTURES and COST."""
    params = load_params()
    from srlab.costs import measured
    from srlab.data.raw import select_datasets
    from srlab.evaluation import evaluate, write_scores
    from srlab.heap import keep_freed_memory
    from srlab.metrics.perceptual import load_perceptual_metrics
    from srlab.provenance import git_commit, values_hash
    from srlab.selfcheck import baseline

    keep_freed_memory()
    with measured(cost):
        scores = evaluate(
            lambda protocol: baseline(method, protocol),
            params.evaluate,
            select_datasets(images, params.data.test),
            pictures,
            load_perceptual_metrics(backbone),
        )
    made_by = {
        "weights_sha256": None,
        "params_sha256": values_hash(params.evaluate.model_dump(include={"scales", "protocols"})),
        "data_sha256": None,
        "git_commit": git_commit(),
        "mlflow_run_id": None,
    }
    write_scores(scores, made_by, metrics, table)


if __name__ == "__main__":
    start(main)
