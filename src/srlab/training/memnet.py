"""Training of MemNet."""

from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from srlab.errors import SrlabError
from srlab.losses import supervised
from srlab.models.memnet import MemNet
from srlab.params import MemNetParams, Params, PatchParams, TrainerParams
from srlab.provenance import file_hash, git_commit, values_hash
from srlab.tracking import Run
from srlab.training.batches import PatchBatches, loader
from srlab.training.ema import RunningAverage
from srlab.training.loop import TrainingDivergedError, optimize
from srlab.training.optimizer import build_optimizer
from srlab.training.schedule import Budget
from srlab.training.validation import ValidationPair, load_validation, validate
from srlab.weights import Card, save_weights
from srlab.workspace import project_root


def architecture(params: MemNetParams) -> dict[str, Any]:
    """The arguments of the network that params.yaml describes."""
    return {
        "memory_blocks": params.memory_blocks,
        "residual_units": params.residual_units,
        "features": params.features,
        "gate_kernel": params.gate_kernel,
        "share_weights": params.share_weights,
        "multi_supervision": params.supervision == "multi",
    }


def fit(
    params: MemNetParams,
    patches: PatchParams,
    trainer: TrainerParams,
    folder: Path,
    run: Run,
    fabric: Fabric,
) -> MemNet:
    """Train a MemNet on packed patches.

    Args:
        params: network and training.
        patches: what the patches are, for validation.
        trainer: seed, workers, memory layout.
        folder: packed patches, see `srlab.data.patches`.
        run: takes losses, scores and pictures.
        fabric: a launched Fabric.

    Returns:
        The network with the best weights by validation PSNR, on the CPU, in evaluation mode.

    Raises:
        SrlabError: no patches.
        TrainingDivergedError: a loss is not finite; it carries the best weights.
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
    trainee = _MemNetTrainee(params, trainer, load_validation(patches, folder), fabric)
    weights = optimize(
        trainee,
        loader(batches, first=0, last=budget.steps, workers=trainer.workers),
        name="memnet",
        run=run,
        budget=budget,
        base_learning_rate=params.optimizer.learning_rate,
        schedule=params.schedule,
        validations=params.validations,
        patches_per_step=params.batch,
        steps_per_epoch=steps_per_epoch,
    )
    network = MemNet(**architecture(params))
    network.load_state_dict(weights)
    return network.eval()


def fit_and_save(params: Params, folder: Path, weights: Path, run: Run, fabric: Fabric) -> None:
    """Train as params.yaml says and write the weights with their card; see `fit`.

    When a loss stops being finite, the best weights so far are kept in `.srlab/diverged`, since
    DVC removes the output of a stage that failed.
    """
    card = Card(
        architecture="memnet",
        hyperparameters=architecture(params.memnet),
        scales=list(params.patches.memnet.scales),
        params_sha256=values_hash(sections(params)),
        data_sha256=file_hash(folder / "index.json"),
        git_commit=git_commit(),
        mlflow_run_id=run.id,
    )
    try:
        network = fit(params.memnet, params.patches.memnet, params.trainer, folder, run, fabric)
    except TrainingDivergedError as error:
        network = MemNet(**card.hyperparameters)
        network.load_state_dict(error.weights)
        kept = project_root() / ".srlab" / "diverged" / weights.name
        save_weights(network, card, kept)
        run.log_file(kept)
        raise SrlabError(f"{error}; the best weights before it are in {kept}") from None
    save_weights(network, card, weights)
    run.log_file(weights)


def sections(params: Params) -> dict[str, Any]:
    """What of params.yaml the weights depend on, as plain values."""
    return {
        "trainer": params.trainer.model_dump(),
        "data": {"train": params.data.train},
        "patches": {"memnet": params.patches.memnet.model_dump()},
        "memnet": params.memnet.model_dump(),
    }


class _MemNetTrainee:
    """A MemNet, its optimizer and its running average, for `optimize`."""

    def __init__(
        self,
        params: MemNetParams,
        trainer: TrainerParams,
        validation: list[ValidationPair],
        fabric: Fabric,
    ) -> None:
        self._params = params
        self._fabric = fabric
        self._validation = validation
        self._layout = torch.channels_last if trainer.channels_last else torch.contiguous_format
        network = MemNet(**architecture(params)).to(fabric.device)
        self._network = network.to(memory_format=self._layout)
        optimizer = build_optimizer(self._network, params.optimizer)
        self._average = (
            RunningAverage(self._network, params.ema_decay) if params.ema_decay else None
        )
        if trainer.compile:
            self._network.outputs = torch.compile(self._network.outputs)  # type: ignore[method-assign]
        self._module, self._optimizer = fabric.setup(self._network, optimizer)
        self._module.mark_forward_method("outputs")

    def update(self, batch: tuple[Tensor, Tensor], learning_rate: float) -> dict[str, Tensor]:
        enlarged, hr = (self._image(patches) for patches in batch)
        self._network.train()
        outputs = self._module.outputs(enlarged)
        average = self._network.average(outputs) if self._params.supervision == "multi" else None
        losses = supervised(outputs, average, hr, self._params.loss)
        self._optimizer.zero_grad()
        self._fabric.backward(torch.stack(list(losses.values())).sum())
        if self._params.optimizer.clip_norm is not None:
            self._fabric.clip_gradients(
                self._module,
                self._optimizer,
                max_norm=self._params.optimizer.clip_norm,
                error_if_nonfinite=False,
            )
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        if self._average is not None:
            self._average.update(self._network)
        return {name: loss.detach() for name, loss in losses.items()}

    def validate(self) -> tuple[dict[str, float], Tensor | None]:
        network = self._kept().eval()
        return validate(self._validation, lambda seen: network(self._to_device(seen)))

    def weights(self) -> dict[str, Tensor]:
        return self._kept().state_dict()

    def _kept(self) -> MemNet:
        return self._average.network if self._average is not None else self._network

    def _image(self, patches: Tensor) -> Tensor:
        return self._to_device(patches).float().div_(255)

    def _to_device(self, images: Tensor) -> Tensor:
        return self._fabric.to_device(images).contiguous(memory_format=self._layout)
