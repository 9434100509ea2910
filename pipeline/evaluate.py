"""Stage `evaluate`: score trained weights."""

from pathlib import Path

from pipeline.stage import start
from srlab.params import load_params


def main(weights: Path, images: Path, metrics: Path, table: Path, pictures: Path) -> None:
    """Score WEIGHTS on IMAGES; write means to METRICS, rows to TABLE, results to PICTURES."""
    params = load_params()
    from srlab.data.raw import select_datasets
    from srlab.evaluation import evaluate, write_scores
    from srlab.inference.upscalers import EnlargedLuma
    from srlab.provenance import file_hash
    from srlab.weights import load_weights

    network, card = load_weights(weights)
    upscaler = EnlargedLuma(network)
    scores = evaluate(
        lambda protocol: upscaler,
        params.evaluate,
        select_datasets(images, params.data.test),
        pictures,
    )
    made_by = {
        "weights_sha256": file_hash(weights),
        "params_sha256": card.params_sha256,
        "data_sha256": card.data_sha256,
        "git_commit": card.git_commit,
        "mlflow_run_id": card.mlflow_run_id,
    }
    write_scores(scores, made_by, metrics, table)


if __name__ == "__main__":
    start(main)
