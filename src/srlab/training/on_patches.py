"""Training on packed patches: batches and budget as params.yaml says."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

from lightning_fabric import Fabric
from torch import Tensor

from srlab.errors import SrlabError
from srlab.params import FitParams, Params, TrainerParams
from srlab.tracking import Run
from srlab.training.batches import PatchBatches, loader
from srlab.training.checkpoints import Checkpoints
from srlab.training.device_batches import DeviceBatches, fits_on
from srlab.training.loop import optimize
from srlab.training.random_state import seed_rank
from srlab.training.ranks import Ranks
from srlab.training.schedule import Budget
from srlab.training.trainee import Trainee


def train_on_patches(
    trainee: Trainee,
    name: str,
    params: FitParams,
    trainer: TrainerParams,
    folder: Path,
    run: Run,
    fabric: Fabric,
    checkpoints: Checkpoints,
    *,
    keep: Literal["best", "last"] = "best",
    rounds: int = 1,
    begin_round: Callable[[], None] = lambda: None,
) -> dict[str, Tensor]:
    """Train until the budget is used; see `srlab.training.loop.optimize`.

    Raises:
        SrlabError: the folder holds no packed patches, or the ranks cannot share a batch.
        TrainingDivergedError: a loss is not finite; it carries the weights to keep.
    """
    ranks = Ranks(fabric)
    if params.batch % ranks.count:
        raise SrlabError(
            f"{name}.batch: {params.batch} patches cannot be shared by {ranks.count} processes; "
            f"it must be a multiple of {ranks.count}"
        )
    batches = PatchBatches(
        folder,
        batch=params.batch,
        augment=params.augment,
        seed=trainer.seed,
        rank=ranks.rank,
        world=ranks.count,
    )
    steps_per_epoch = batches.patches / batches.batch
    budget = Budget(params.budget, steps_per_epoch=steps_per_epoch, told=ranks.told)
    run.set_tags({"repeatable": str(budget.repeatable).lower(), "processes": str(ranks.count)})
    seed_rank(trainer.seed, ranks.rank)
    if fits_on(fabric.device, batches):
        on_device = DeviceBatches(batches, fabric.device)

        def batches_from(step: int) -> Iterable[tuple[Tensor, Tensor]]:
            return on_device.steps(step, budget.steps)
    else:

        def batches_from(step: int) -> Iterable[tuple[Tensor, Tensor]]:
            return loader(batches, first=step, last=budget.steps, workers=trainer.workers)

    return optimize(
        trainee,
        batches_from,
        name=name,
        run=run,
        budget=budget,
        base_learning_rate=params.optimizer.learning_rate,
        schedule=params.schedule,
        validations=params.validations,
        patches_per_step=params.batch,
        steps_per_epoch=steps_per_epoch,
        checkpoints=checkpoints,
        ranks=ranks,
        keep=keep,
        rounds=rounds,
        begin_round=begin_round,
    )


def sections(params: Params, *, network: str, patches: str) -> dict[str, Any]:
    """What of params.yaml the weights of a training depend on, as plain values."""
    tree = params.model_dump()
    return {
        "trainer": tree["trainer"],
        "data": {"train": tree["data"]["train"]},
        "patches": {patches: tree["patches"][patches]},
        network: tree[network],
    }
