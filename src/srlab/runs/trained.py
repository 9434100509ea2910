"""The trained networks of a project, as DVC has put them there, and what is known of each."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError
from srlab.params import parse_params
from srlab.provenance import values_hash
from srlab.strict_yaml import read_yaml
from srlab.weights import Card, load_card

_STAGE = "train_"


@dataclass(frozen=True)
class Trained:
    """What a training stage left."""

    stage: str
    """As dvc.yaml names it."""
    weights: Path
    curves: Path
    """The folder, see `srlab.training.curves`."""
    cost: Path
    """The cost card, see `srlab.costs`."""
    run_id: str | None
    """The MLflow run that trained it; None where it was not tracked."""
    card: Card
    """Of the weights."""
    params: dict[str, Any]
    """Nested: the sections that it was trained by; only the network's where these are unknown."""
    params_known: bool
    """Whether `params` are those that the card's hash was made from."""


@dataclass(frozen=True)
class NotHere:
    """A training stage whose outputs are not all there, or do not belong together."""

    stage: str
    reason: str


def trained_networks(root: Path) -> list[Trained | NotHere]:
    """One entry for each training stage in the project's dvc.yaml; none without such a file.

    Raises:
        SrlabError: dvc.yaml, dvc.lock or params.yaml cannot be read.
    """
    pipeline = root / "dvc.yaml"
    if not pipeline.is_file():
        return []
    stages = read_yaml(pipeline).get("stages", {})
    lock = root / "dvc.lock"
    locked = read_yaml(lock).get("stages", {}) if lock.is_file() else {}
    return [
        _trained(root, name, stage, locked.get(name, {}))
        for name, stage in stages.items()
        if name.startswith(_STAGE) and "outs" in stage
    ]


def _trained(
    root: Path, name: str, stage: Mapping[str, Any], locked: Mapping[str, Any]
) -> Trained | NotHere:
    outs = [root / path for path in _paths(stage["outs"])]
    weights = next((path for path in outs if path.suffix == ".safetensors"), None)
    curves = next((path for path in outs if not path.suffix), None)
    cost = next((root / path for path in _paths(stage.get("metrics", []))), None)
    if weights is None or curves is None or cost is None:
        return NotHere(name, "dvc.yaml names no weights, curves or cost card")
    for path in (weights, curves, cost):
        if not path.exists():
            return NotHere(
                name, f"{path.relative_to(root)} is not here; fetch it: dvc pull (or: dvc repro)"
            )
    try:
        known = json.loads(cost.read_text())
        run_id, fingerprint = known["mlflow_run_id"], known["fingerprint"]
        card = load_card(weights)
    except (OSError, ValueError, KeyError, TypeError) as error:
        return NotHere(name, f"{cost.relative_to(root)} does not name its run ({error!r})")
    except SrlabError as error:
        return NotHere(name, str(error))
    if fingerprint != card.fingerprint:
        return NotHere(
            name,
            f"{weights.relative_to(root)} and {cost.relative_to(root)} are of different trainings; "
            "put the project in order: dvc checkout",
        )
    params = _params(root, stage, locked)
    params_known = params is not None and values_hash(params) == card.params_sha256
    if params is None or not params_known:
        params = {card.architecture: card.hyperparameters}
    return Trained(name, weights, curves, cost, run_id, card, params, params_known)


def _paths(entries: list[Any]) -> list[str]:
    """DVC writes `path` or `path: {options}`."""
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in entries]


def _params(
    root: Path, stage: Mapping[str, Any], locked: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The sections of params.yaml that the stage's outputs were made by, as dvc.lock has them."""
    path = root / "params.yaml"
    if not path.is_file():
        return None
    keys = [key for key in stage.get("params", []) if isinstance(key, str)]
    tree = copy.deepcopy(read_yaml(path))
    for key, value in locked.get("params", {}).get("params.yaml", {}).items():
        _put(tree, key, value)
    try:
        checked = parse_params(tree, source=str(path)).model_dump()
    except SrlabError:  # an older srlab's
        return None
    kept: dict[str, Any] = {}
    for key in keys:
        _put(kept, key, _get(checked, key))
    return kept


def _put(tree: dict[str, Any], key: str, value: Any) -> None:
    *sections, last = key.split(".")
    for section in sections:
        tree = tree.setdefault(section, {})
    tree[last] = value


def _get(tree: Mapping[str, Any], key: str) -> Any:
    value: Any = tree
    for part in key.split("."):
        value = value[part]
    return value
