"""What a training goes on from: the weights of a released model."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from srlab.errors import SrlabError
from srlab.weights import Card, load_weights
from srlab.zoo.registry import Release, load_registry, resolve


@dataclass(frozen=True)
class Start:
    """Where a training starts."""

    weights: Mapping[str, Tensor] | None = None
    """The network's state, float32; None where nothing was named."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """What the training depends on besides params and data, see `srlab.training.recorded`."""


def load_start(
    model: str | None,
    key: str,
    architecture: str,
    hyperparameters: Mapping[str, Any],
    grows: Collection[str] = (),
) -> Start:
    """The weights of a released model.

    Args:
        model: its name; None for no start.
        key: of params.yaml, that holds its name.
        architecture: that it must be of, and the section of params.yaml that describes it.
        hyperparameters: of the network that is to be trained.
        grows: those that may be larger than the model's.

    Raises:
        SrlabError: there is no such model, or it is another network.
    """
    if model is None:
        return Start()
    network, card, sha256 = load_released(model, key, architecture)
    differences = [
        f"{name} is {value} there, {hyperparameters.get(name)} here"
        for name, value in card.hyperparameters.items()
        if hyperparameters.get(name) != value
        and not (name in grows and hyperparameters[name] > value)
    ]
    if differences:
        raise SrlabError(
            f"{key}: {model} is another network than params.yaml describes "
            f"({'; '.join(differences)}); make {architecture} the same, or start: null"
        )
    return Start(network.state_dict(), {"pretrained_sha256": sha256})


def load_released(model: str, key: str, architecture: str) -> tuple[nn.Module, Card, str]:
    """A released network in float32, its card, and the SHA-256 of its file.

    Args:
        model: its name.
        key: of params.yaml, that names it or holds its name.
        architecture: that it must be of.

    Raises:
        SrlabError: there is no such model of that architecture.
    """
    registry = load_registry()
    names = [entry.name for entry in registry.models if entry.architecture == architecture]
    choices = f"name one of {', '.join(names)}, or null"
    entry = registry.entry(model)
    if entry is None:
        raise SrlabError(f"{key}: {model}: no such released model; {choices}")
    if entry.architecture != architecture:
        raise SrlabError(
            f"{key}: {model} is of architecture {entry.architecture}, not {architecture}; {choices}"
        )
    release = resolve(model)
    assert isinstance(release, Release)
    network, card = load_weights(release.path)
    return network.float(), card, entry.sha256
