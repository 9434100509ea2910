"""What becomes of trained weights, also where training diverged."""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from srlab.errors import SrlabError
from srlab.tracking import Run
from srlab.training.loss_log import TrainingDivergedError
from srlab.weights import ARCHITECTURES, Card, save_weights
from srlab.workspace import project_root


def fit_and_save(fit: Callable[[], nn.Module], card: Card, weights: Path, run: Run) -> nn.Module:
    """Train, and write the weights with their card.

    Args:
        fit: trains and gives the network.
        card: of the weights.
        weights: the file to write.
        run: gets the file, too.

    Returns:
        The network.

    Raises:
        SrlabError: a loss is not finite. The best weights so far are then in `.srlab/diverged`,
            since DVC removes the output of a stage that failed.
    """
    try:
        network = fit()
    except TrainingDivergedError as error:
        network = ARCHITECTURES[card.architecture](**card.hyperparameters)
        network.load_state_dict(error.weights)
        kept = project_root() / ".srlab" / "diverged" / weights.name
        save_weights(network, card, kept)
        run.log_file(kept)
        raise SrlabError(f"{error}; the best weights before it are in {kept}") from None
    save_weights(network, card, weights)
    run.log_file(weights)
    return network
