"""Training with a loss between the network's images and the truth: MemNet and SRResNet."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.params import FitParams, PatchParams, TrainerParams
from srlab.tracking import Run
from srlab.training.checkpoints import Checkpoints
from srlab.training.compiling import compile_method, compile_modules
from srlab.training.cuda_graphs import GraphedMethod, records_graphs
from srlab.training.ema import RunningAverage, running_average
from srlab.training.images import ImagePlacement
from srlab.training.on_patches import train_on_patches
from srlab.training.optimizer import build_optimizer, take_step
from srlab.training.ranks import Ranks
from srlab.training.validation import ValidationPair, load_validation, validate

Network = TypeVar("Network", MemNet, SRResNet)
Predict = Callable[[Tensor], Any]
"""What a network sees -> what its method makes of it."""
Terms = Callable[[Predict, Tensor, Tensor], dict[str, Tensor]]
"""(predict, what it sees, hr) -> the named terms of the loss, which add up to it."""


def fit_supervised(
    network: Network,
    terms: Terms,
    *,
    name: str,
    method: str,
    params: FitParams,
    patches: PatchParams,
    trainer: TrainerParams,
    folder: Path,
    run: Run,
    fabric: Fabric,
    checkpoints: Checkpoints,
) -> Network:
    """Train a network on packed patches.

    Args:
        network: to train.
        terms: the loss.
        name: of the training, for the log.
        method: the network's method that predicts, `forward` or another.
        params: training.
        patches: what the patches are, for validation.
        trainer: seed, workers, memory layout.
        folder: packed patches, see `srlab.data.patches`.
        run: takes losses, scores and pictures.
        fabric: a launched Fabric.
        checkpoints: where the training's state is kept.

    Returns:
        The network with the best weights by validation PSNR, on the CPU, in evaluation mode.

    Raises:
        SrlabError: no patches.
        TrainingDivergedError: a loss is not finite; it carries the best weights.
    """
    trainee = _SupervisedTrainee(
        network, terms, method, params, trainer, load_validation(patches, folder), fabric
    )
    weights = train_on_patches(trainee, name, params, trainer, folder, run, fabric, checkpoints)
    trained = trainee.network.cpu()
    trained.load_state_dict(weights)
    return trained.eval()


class _SupervisedTrainee(Generic[Network]):
    """A network, its optimizer and its running average, for `optimize`."""

    def __init__(
        self,
        network: Network,
        terms: Terms,
        method: str,
        params: FitParams,
        trainer: TrainerParams,
        validation: list[ValidationPair],
        fabric: Fabric,
    ) -> None:
        self._terms = terms
        self._clip_norm = params.optimizer.clip_norm
        self._fabric = fabric
        self._ranks = Ranks(fabric)
        self._validation = validation
        self._images = ImagePlacement(trainer, fabric)
        self.network: Network = self._images.module(network)
        optimizer = build_optimizer(self.network, params.optimizer)
        self._average: RunningAverage[Network] | None = running_average(self.network, params)
        graphed = trainer.cuda_graphs and records_graphs(fabric)
        if trainer.compile and graphed:
            compile_modules(self.network, self.network.REPEATED)
        elif trainer.compile:
            compile_method(self.network, method)
        self._module, self._optimizer = fabric.setup(self.network, optimizer)
        self._predict = (
            GraphedMethod(self.network, method) if graphed else self._method_of_module(method)
        )

    def update(self, batch: tuple[Tensor, Tensor], learning_rate: float) -> dict[str, Tensor]:
        seen, hr = (self._images.from_patches(patches) for patches in batch)
        self.network.train()
        # Fabric computes in its precision where the network is called, but not, outside of DDP,
        # where another of its methods is.
        with self._fabric.autocast():
            terms = self._terms(self._predict, seen, hr)
        total = torch.stack(list(terms.values())).sum()
        self._optimizer.zero_grad()
        self._fabric.backward(total)
        take_step(self._fabric, self._module, self._optimizer, learning_rate, self._clip_norm)
        if self._average is not None:
            self._average.update()
        losses = {f"loss/{name}": term.detach() for name, term in terms.items()}
        return self._ranks.means({**losses, "loss/total": total.detach()})

    def validate(self) -> tuple[dict[str, float], Tensor | None]:
        network = self._kept().eval()
        return validate(
            self._validation, lambda seen: network(self._images.place(seen)), self._ranks
        )

    def weights(self) -> dict[str, Tensor]:
        return self._kept().state_dict()

    def state_dict(self) -> dict[str, Any]:
        return {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, part in self._parts().items():
            part.load_state_dict(state[name])

    def _method_of_module(self, method: str) -> Predict:
        if method == "forward":
            return self._module
        self._module.mark_forward_method(method)
        return getattr(self._module, method)

    def _parts(self) -> dict[str, Any]:
        parts = {"network": self.network, "optimizer": self._optimizer}
        return parts | ({"average": self._average} if self._average is not None else {})

    def _kept(self) -> nn.Module:
        return self._average.network if self._average is not None else self.network
