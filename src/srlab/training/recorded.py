"""A training as a stage runs it: tracked, measured, and saved with all that is known of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn

from srlab import tracking
from srlab.costs import measured
from srlab.models.complexity import multiply_adds, parameters
from srlab.params import TrainerParams
from srlab.provenance import file_hash
from srlab.tracking import Run
from srlab.training.curves import Curves
from srlab.training.fabric import launch
from srlab.training.saving import fit_and_save
from srlab.weights import make_card


@dataclass(frozen=True)
class Training:
    """What is trained, and what it depends on."""

    name: str
    """Of the run."""
    architecture: str
    """A key of `srlab.weights.ARCHITECTURES`."""
    hyperparameters: Mapping[str, Any]
    """Arguments of the network's constructor."""
    scales: Sequence[int]
    """Factors that it learns to enlarge by."""
    trainer: TrainerParams
    """Device and seed."""
    sections: Mapping[str, Any]
    """What of params.yaml the weights depend on."""
    patches: Path
    """Packed patches."""
    tags: Mapping[str, str] = field(default_factory=dict)
    """More of the run's tags."""


def train_recorded(
    training: Training,
    fit: Callable[[Run, Fabric], nn.Module],
    *,
    weights: Path,
    curves: Path,
    cost: Path,
) -> None:
    """Train in an MLflow run; write weights, curves and the cost card.

    Args:
        training: what is trained.
        fit: trains and gives the network.
        weights: the file to write, see `srlab.weights`.
        curves: the folder to fill, see `srlab.training.curves`.
        cost: the file to write, see `srlab.costs`.

    Raises:
        SrlabError: a loss is not finite, patches are missing, or the accelerator is.
    """
    data = file_hash(training.patches / "index.json")
    with measured(cost) as card:
        fabric = launch(training.trainer)
        with tracking.run(training.name, training.sections, data) as run:
            run.set_tags(training.tags)
            recorded = Curves(run)
            network = fit_and_save(
                lambda: fit(recorded, fabric),
                make_card(
                    training.architecture,
                    training.hyperparameters,
                    training.scales,
                    training.sections,
                    data,
                    run.id,
                ),
                weights,
                run,
            )
        recorded.write(curves)
        card |= {
            "device": fabric.device.type,
            "precision": training.trainer.precision,
            "parameters": parameters(network),
            "multiply_adds": multiply_adds(network, max(training.scales)),
            "patches_per_second": recorded.last("time/patches_per_second"),
        }
