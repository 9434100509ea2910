"""Stages `evaluate` and `evaluate_srgan`: score trained weights, and register them."""

from pathlib import Path
from typing import Annotated, cast

import typer

from pipeline.stage import start
from srlab.params import load_params


def main(
    weights: Path,
    training: Path,
    images: Path,
    backbone: Path,
    metrics: Path,
    table: Path,
    pictures: Path,
    cost: Path,
    blend_from: Annotated[
        Path | None, typer.Option(help="Weights at evaluate.strength 0; WEIGHTS are at 1.")
    ] = None,
) -> None:
    """Score WEIGHTS on IMAGES; write METRICS, a TABLE of all images, PICTURES and COST.

    The network becomes a version of `srlab-METHOD` in MLflow's registry.

    TRAINING is the cost card of the training, which names its run.
    """
    params = load_params()
    from srlab.costs import measured, read_run_id
    from srlab.data.raw import select_datasets
    from srlab.evaluation import evaluate, write_scores
    from srlab.heap import keep_freed_memory
    from srlab.inference.strength import load_blend
    from srlab.inference.timed import TimedUpscaler
    from srlab.inference.upscalers import network_upscaler
    from srlab.metrics.perceptual import load_perceptual_metrics
    from srlab.models.complexity import parameters
    from srlab.provenance import file_hash
    from srlab.serving.registry import register
    from srlab.serving.scored import Method, ScoredNetwork
    from srlab.weights import load_weights

    keep_freed_memory()
    strength = None if blend_from is None else params.evaluate.strength
    if blend_from is None or strength is None:
        network, card = load_weights(weights)
    else:
        network, card = load_blend(blend_from, weights, strength)
    upscaler = TimedUpscaler(network_upscaler(network, card))
    folders = select_datasets(images, params.data.test)
    with measured(cost) as spent:
        scores = evaluate(
            lambda protocol: upscaler,
            params.evaluate,
            folders,
            pictures,
            load_perceptual_metrics(backbone),
        )
        spent |= upscaler.rates()
    made_by = {
        "weights_sha256": file_hash(weights),
        "params_sha256": card.params_sha256,
        "data_sha256": card.data_sha256,
        "git_commit": card.git_commit,
        "mlflow_run_id": read_run_id(training),
        "parameters": parameters(network),
        **({} if strength is None else {"strength": strength}),
    }
    write_scores(scores, made_by, metrics, table)
    register(
        ScoredNetwork(
            method=cast(Method, weights.stem),
            weights=weights,
            run_id=read_run_id(training),
            git_commit=card.git_commit,
            scores=scores,
            folders=folders,
            blend_from=blend_from,
            strength=1.0 if strength is None else strength,
        )
    )


if __name__ == "__main__":
    start(main)
