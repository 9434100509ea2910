"""What a training goes on from: the weights of a released model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from srlab.errors import SrlabError
from srlab.weights import load_weights
from srlab.zoo.registry import Release, load_registry, resolve


@dataclass(frozen=True)
class Start:
    """Where a training starts."""

    weights: Mapping[str, Tensor] | None = None
    """The network's state, float32; None for random weights."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """What the training depends on besides params and data, see `srlab.training.recorded`."""


def load_start(model: str | None, section: str, hyperparameters: Mapping[str, Any]) -> Start:
    """The weights of a released model.

    Args:
        model: its name; None for random weights.
        section: of params.yaml that names it: the architecture.
        hyperparameters: of the network that is to be trained.

    Raises:
        SrlabError: there is no such model, or it is another network.
    """
    if model is None:
        return Start()
    entry = load_registry().entry(model)
    if entry is None:
        raise SrlabError(f"{section}.start: {model}: no such released model; {_choices(section)}")
    release = resolve(model)
    assert isinstance(release, Release)
    network, card = load_weights(release.path)
    if card.architecture != section:
        raise SrlabError(
            f"{section}.start: {model} is of architecture {card.architecture}, not {section}; "
            f"{_choices(section)}"
        )
    differences = [
        f"{name} is {value} there, {hyperparameters.get(name)} here"
        for name, value in card.hyperparameters.items()
        if hyperparameters.get(name) != value
    ]
    if differences:
        raise SrlabError(
            f"{section}.start: {model} is another network than params.yaml describes "
            f"({'; '.join(differences)}); make {section} the same, or start: null"
        )
    return Start(network.float().state_dict(), {"pretrained_sha256": entry.sha256})


def _choices(section: str) -> str:
    names = [entry.name for entry in load_registry().models if entry.architecture == section]
    return f"name one of {', '.join(names)}, or null"
