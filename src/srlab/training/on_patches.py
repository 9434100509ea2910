"""Training on packed patches: batches and budget as params.yaml says."""

from pathlib import Path
from typing import Any, Literal

from lightning_fabric import Fabric
from torch import Tensor

from srlab.params import FitParams, Params, TrainerParams
from srlab.tracking import Run
from srlab.training.batches import PatchBatches, loader
from srlab.training.loop import Trainee, optimize
from srlab.training.schedule import Budget


def train_on_patches(
    trainee: Trainee,
    name: str,
    params: FitParams,
    trainer: TrainerParams,
    folder: Path,
    run: Run,
    fabric: Fabric,
    *,
    keep: Literal["best", "last"] = "best",
) -> dict[str, Tensor]:
    """Train until the budget is used; see `srlab.training.loop.optimize`.

    Raises:
        SrlabError: the folder holds no packed patches.
        TrainingDivergedError: a loss is not finite; it carries the weights to keep.
    """
    batches = PatchBatches(
        folder,
        batch=params.batch,
        augment=params.augment,
        seed=trainer.seed,
        rank=fabric.global_rank,
        world=fabric.world_size,
    )
    steps_per_epoch = batches.patches / batches.batch
    budget = Budget(params.budget, steps_per_epoch=steps_per_epoch)
    run.set_tags({"repeatable": str(budget.repeatable).lower()})
    return optimize(
        trainee,
        loader(batches, first=0, last=budget.steps, workers=trainer.workers),
        name=name,
        run=run,
        budget=budget,
        base_learning_rate=params.optimizer.learning_rate,
        schedule=params.schedule,
        validations=params.validations,
        patches_per_step=params.batch,
        steps_per_epoch=steps_per_epoch,
        keep=keep,
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
