"""Trained networks on disk: safetensors, with what is needed to build and to judge them.

The header holds the architecture, its hyperparameters, the scales it was trained for, and what it
was made by. Loading builds the network from the header and never unpickles.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from srlab.errors import SrlabError
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.provenance import git_commit, values_hash

ARCHITECTURES: dict[str, type[nn.Module]] = {"memnet": MemNet, "srresnet": SRResNet}
"""Networks by the name in the header."""

_FORMAT = "srlab 2"
"""The header's only entry, which holds the card."""


@dataclass(frozen=True)
class Card:
    """What a weights file says of itself."""

    architecture: str
    """A key of `ARCHITECTURES`."""
    hyperparameters: dict[str, Any]
    """Arguments of the network's constructor."""
    scales: list[int]
    """Factors it was trained for."""
    params_sha256: str
    """Fingerprint of the sections of params.yaml that it was trained by."""
    data_sha256: str
    """SHA-256 of the index of the packed patches."""
    git_commit: str | None
    """Commit of the code that trained it."""
    fingerprint: str | None
    """Of the training: `srlab.training.fingerprint`. The MLflow run has it as a tag, and the cost
    card names the run, which differs between equal trainings; weights do not."""


def make_card(
    architecture: str,
    hyperparameters: Mapping[str, Any],
    scales: Sequence[int],
    sections: Mapping[str, Any],
    data_sha256: str,
    fingerprint: str | None,
) -> Card:
    """The card of weights that are trained now, by the code that runs.

    Args:
        architecture, hyperparameters, scales, data_sha256, fingerprint: see `Card`.
        sections: what of params.yaml the weights depend on.
    """
    return Card(
        architecture=architecture,
        hyperparameters=dict(hyperparameters),
        scales=list(scales),
        params_sha256=values_hash(sections),
        data_sha256=data_sha256,
        git_commit=git_commit(),
        fingerprint=fingerprint,
    )


def save_weights(network: nn.Module, card: Card, path: Path) -> None:
    """Write a network's state and its card, under a temporary name first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    state = {name: tensor.contiguous().cpu() for name, tensor in network.state_dict().items()}
    try:
        # One entry: safetensors writes several in an order that differs from process to process.
        save_file(_without_aliases(state), partial, {_FORMAT: json.dumps(asdict(card))})
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load_weights(path: Path) -> tuple[nn.Module, Card]:
    """Build a network from its file: on the CPU, in evaluation mode.

    Raises:
        SrlabError: the file is missing, no safetensors, not srlab's, or does not fit its own card.
    """
    with _opened(path) as file:
        card = _card(file, path)
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    try:
        network = ARCHITECTURES[card.architecture](**card.hyperparameters)
        missing = network.load_state_dict(state, strict=False)
        if missing.unexpected_keys or set(missing.missing_keys) - set(_aliases(network)):
            raise ValueError("tensors are missing or unknown")
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise SrlabError(
            f"{path}: the weights do not fit their card ({reason}); train again"
        ) from None
    return network.eval(), card


def load_card(path: Path) -> Card:
    """What a weights file says of itself.

    Raises:
        SrlabError: the file is missing, no safetensors, or not srlab's.
    """
    with _opened(path) as file:
        return _card(file, path)


def load_srresnet(path: Path) -> tuple[SRResNet, Card]:
    """Weights of an SRResNet; see `load_weights`.

    Raises:
        SrlabError: also where the file holds another network.
    """
    network, card = load_weights(path)
    if not isinstance(network, SRResNet):
        raise SrlabError(f"{path}: holds a {card.architecture}, not an srresnet; train one")
    return network, card


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except FileNotFoundError:
        raise SrlabError(f"{path}: no such weights; train them first: dvc repro") from None
    except (SafetensorError, OSError) as error:
        raise SrlabError(
            f"{path}: not a safetensors file ({error}); train or fetch it again"
        ) from None


def _card(file: Any, path: Path) -> Card:
    header = file.metadata() or {}
    if _FORMAT not in header:
        raise SrlabError(
            f"{path}: its header is not that of srlab's weights; use a file made by srlab"
        )
    try:
        return Card(**json.loads(header[_FORMAT]))
    except (KeyError, TypeError, ValueError) as error:
        raise SrlabError(f"{path}: its card cannot be read ({error}); train again") from None


def _without_aliases(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """One name for each tensor: shared weights stand in a state dict several times."""
    seen: set[int] = set()
    kept = {}
    for name, tensor in state.items():
        if tensor.data_ptr() not in seen or tensor.numel() == 0:
            seen.add(tensor.data_ptr())
            kept[name] = tensor
    return kept


def _aliases(network: nn.Module) -> list[str]:
    state = network.state_dict()
    return list(state.keys() - _without_aliases(state).keys())
