"""One side of a comparison: what is known of a run, or of outputs on disk."""

import os
import tempfile
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError
from srlab.runs.curves import FILES, Curves, curves_of_files, curves_of_run
from srlab.tracking.opening import flatten
from srlab.tracking.store import open_store
from srlab.tracking.warn import brief
from srlab.weights import Card, load_card

DECIDING = ("data_sha256", "params_sha256", "pretrained_sha256")
"""Tags that say what a training computes."""
TELLING = ("git_commit", "device", "precision", "repeatable", "fingerprint")
"""Tags that may say why two trainings part."""
_WEIGHTS = ".safetensors"
_NOT_OUTPUTS = ("data", "node_modules")


@dataclass
class Side:
    """What can be compared; empty where nothing is known."""

    title: str
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    curves: dict[str, Curves] = field(default_factory=dict)
    """By the network's name."""
    weights: dict[str, Path] = field(default_factory=dict)
    """By the network's name."""
    single: bool = True
    """Whether it is one training, not a folder that may hold many."""
    partly: bool = False
    """Whether params are those that a card knows: the network's own."""
    rounded: bool = False
    """Whether curves have six digits, as files have, not all."""


def open_side(name: str, scratch: Path) -> Side:
    """A run, or a folder or file of outputs.

    Args:
        name: an MLflow run's id, a folder, or a safetensors file.
        scratch: where a run's weights may be put.

    Raises:
        SrlabError: it is none of them, it is empty, it is damaged, or MLflow does not answer.
    """
    path = Path(name)
    if path.is_file():
        if path.suffix != _WEIGHTS:
            raise SrlabError(f"{name}: not a {_WEIGHTS} file; give weights, a folder or a run's id")
        return _of_card(Side(name, weights={path.stem: path}), load_card(path))
    if path.is_dir():
        return _of_folder(path)
    return _of_run(name, scratch)


def _of_folder(folder: Path) -> Side:
    side = Side(str(folder), rounded=True, single=False)
    for path in _files(folder):
        if path.suffix == _WEIGHTS:
            side.weights[_name(path, folder, side.weights)] = path
        elif path.name == FILES[0]:
            side.curves[_name(path.parent, folder, side.curves)] = curves_of_files(path.parent)
    if not side.weights and not side.curves:
        raise SrlabError(f"{folder}: holds no weights (*{_WEIGHTS}) and no curves ({FILES[0]})")
    if len(side.weights) == 1:
        _of_card(side, load_card(next(iter(side.weights.values()))))
    return side


def _name(path: Path, folder: Path, taken: Collection[str]) -> str:
    """What a network is called everywhere; the whole path where two are called so."""
    return path.stem if path.stem not in taken else path.relative_to(folder).as_posix()


def _files(folder: Path) -> Iterator[Path]:
    """All files but those that are data, hidden or of a run's artifacts."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and name not in (*_NOT_OUTPUTS, "mlartifacts", "mlruns")
        )
        yield from (Path(parent, name) for name in sorted(files))


def _of_card(side: Side, card: Card) -> Side:
    side.params = flatten({card.architecture: card.hyperparameters})
    side.partly = True
    tags = {name: getattr(card, name, None) for name in (*DECIDING, *TELLING)}
    side.tags = {name: str(value) for name, value in tags.items() if value is not None}
    return side


def _of_run(run_id: str, scratch: Path) -> Side:
    try:
        client = open_store().client
        run = client.get_run(run_id)
        curves = curves_of_run(client, run)
        weights = _downloaded(client, run_id, scratch)
    except Exception as error:
        raise SrlabError(
            f"{run_id}: neither a file, a folder, nor a run that MLflow has ({brief(error)})"
        ) from error
    known = run.data.tags
    return Side(
        f"run {run_id} ({run.info.run_name}, {run.info.status}"
        + (f", restored from {known['restored_from']})" if "restored_from" in known else ")"),
        params=dict(run.data.params),
        tags={name: known[name] for name in (*DECIDING, *TELLING) if name in known},
        curves={run.info.run_name: curves} if curves else {},
        weights=weights,
        partly="params_known" in known,
        rounded="restored_from" in known,
    )


def _downloaded(client: Any, run_id: str, scratch: Path) -> dict[str, Path]:
    folder = tempfile.mkdtemp(dir=scratch)
    return {
        Path(item.path).stem: Path(client.download_artifacts(run_id, item.path, folder))
        for item in client.list_artifacts(run_id)
        if item.path.endswith(_WEIGHTS)
    }
