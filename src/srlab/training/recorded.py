"""A training as a stage runs it: tracked, measured, and saved with all that is known of it."""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric
from torch import nn

from srlab import tracking
from srlab.costs import measured
from srlab.data.patches import read_index
from srlab.machine import device_name
from srlab.models.complexity import multiply_adds, parameters
from srlab.params import TrainerParams
from srlab.provenance import file_hash
from srlab.tracking import Run, SilentRun
from srlab.training.checkpoints import CheckpointFolder, Checkpoints, NoCheckpoints
from srlab.training.curves import Curves
from srlab.training.fabric import launch
from srlab.training.fingerprint import fingerprint
from srlab.training.interruption import TrainingInterrupted
from srlab.training.loss_log import TrainingDivergedError
from srlab.training.ranks import Ranks
from srlab.training.saving import fit_and_save
from srlab.weights import make_card
from srlab.workspace import resume_folder


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
    inputs: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of further files that the weights depend on, by name; tags of the run, too."""


def train_recorded(
    training: Training,
    fit: Callable[[Run, Fabric, Checkpoints], nn.Module],
    *,
    weights: Path,
    curves: Path,
    cost: Path,
) -> None:
    """Train in an MLflow run; write weights, curves and the cost card.

    A training that was stopped goes on from its last checkpoint, in the same run. Where several
    processes share it, only rank 0 writes, tracks and says something.

    Args:
        training: what is trained.
        fit: trains and gives the network.
        weights: the file to write, see `srlab.weights`.
        curves: the folder to fill, see `srlab.training.curves`.
        cost: the file to write, see `srlab.costs`; names the run.

    Raises:
        SrlabError: a loss is not finite; patches, the accelerator or processes are missing; or the
            machines differ in params, data or code.
        SystemExit: SIGINT or SIGTERM came.
    """
    read_index(training.patches)
    data = file_hash(training.patches / "index.json")
    fabric = launch(training.trainer)
    ranks = Ranks(fabric)
    known_by = fingerprint(training.name, training.sections, data, training.inputs, ranks.count)
    ranks.require_same(known_by)
    if not ranks.is_first:
        # How all ranks end together is rank 0's to say, with its exit code.
        together = contextlib.suppress(TrainingInterrupted, TrainingDivergedError)
        with together, ranks.noticing_a_loss():
            fit(SilentRun(), fabric, NoCheckpoints())
        return
    made_by = make_card(
        training.architecture,
        training.hyperparameters,
        training.scales,
        training.sections,
        data,
        known_by,
    )
    with measured(cost) as card:
        checkpoints = CheckpointFolder(resume_folder(training.name, known_by))
        with tracking.run(training.name, training.sections, data, fingerprint=known_by) as run:
            device = device_name(fabric.device.type)
            run.set_tags({"device": device, "precision": training.trainer.precision})
            run.set_tags(training.inputs)
            recorded = Curves(run)
            with ranks.noticing_a_loss():
                network = fit_and_save(
                    lambda: fit(recorded, fabric, checkpoints), made_by, weights, run
                )
        recorded.write(curves)
        card |= {
            "device": fabric.device.type,
            "precision": training.trainer.precision,
            "parameters": parameters(network),
            "multiply_adds": multiply_adds(network, max(training.scales)),
            "patches_per_second": recorded.last("time/patches_per_second"),
            "earlier_seconds": recorded.last("time/earlier_seconds"),
            "fingerprint": known_by,
            "mlflow_run_id": run.id,
        }
    checkpoints.remove()
