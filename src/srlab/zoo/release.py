"""Releasing trained weights: into the registry, with their scores and their card.

    python -m srlab.zoo.release models/srgan.safetensors --name srgan \
        --metrics metrics/srgan.json --card report/cards/srgan.md --images data/raw/set5 \
        --licence CC0-1.0 --good-for "sharp texture" --start srresnet
"""

import copy
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
import yaml
from pydantic import ValidationError
from torch import nn

from srlab.data.images import list_images, read_pixels
from srlab.data.tensors import to_tensor
from srlab.errors import SrlabError
from srlab.evaluation import mean, score_fidelity
from srlab.inference.strength import load_blend
from srlab.inference.upscalers import network_upscaler
from srlab.metrics.protocols import PROTOCOLS
from srlab.models.complexity import parameters
from srlab.provenance import file_hash
from srlab.report.scores import MethodScores, read_method
from srlab.weights import Card, load_weights, save_weights
from srlab.zoo.registry import RELEASED, Entry, Registry, load_registry

TOLERANCE = 0.005
"""The largest difference in dB that storing weights as float16 may make."""

_HEAD = "# The released models; `python -m srlab.zoo.release` adds to them.\n"


@dataclass(frozen=True)
class Candidate:
    """Weights that are to be released."""

    weights: Path
    name: str
    metrics: Path
    """`METHOD.json` of exactly these weights."""
    card: Path
    """The report's model card of exactly these weights, Markdown."""
    licence: str
    good_for: str
    start: str | None = None
    """See `srlab.zoo.registry.Entry`."""


def release(
    candidate: Candidate,
    *,
    images: Sequence[Path] = (),
    is_default: bool = False,
    folder: Path = RELEASED,
) -> Entry:
    """Copy weights and card into a registry, and list them there.

    The weights are stored as float16 if the mean PSNR (`y_rgb8`) over the images then moves by less
    than `TOLERANCE` at every scale; without images they stay as they are.

    Args:
        candidate: what is released; a model of the same name is replaced.
        images: folders of images to compare both on.
        is_default: use it where no model is named.
        folder: of the registry.

    Raises:
        SrlabError: scores or card are of other weights, the start is another network, or something
            does not fit the registry.
    """
    network, card = load_weights(candidate.weights)
    sha256 = file_hash(candidate.weights)
    scores = _scores(candidate, sha256)
    text = _card_text(candidate, sha256)
    registry = load_registry(folder)
    _check_start(candidate, registry, folder)
    is_half = bool(images) and _stays(network, card, images)
    file = f"{candidate.name}.safetensors"
    partial = folder / f".{file}.partial"
    try:
        save_weights(network.half() if is_half else network.float(), card, partial)
        entry = Entry(
            name=candidate.name,
            file=file,
            card=f"cards/{candidate.name}.md",
            sha256=file_hash(partial),
            bytes=partial.stat().st_size,
            numbers="float16" if is_half else "float32",
            architecture=card.architecture,
            parameters=parameters(network),
            scales=card.scales,
            licence=candidate.licence,
            good_for=candidate.good_for,
            start=candidate.start,
            scores={
                protocol: {
                    name: {scale: dict(cell) for scale, cell in cells.items()}
                    for name, cells in datasets.items()
                }
                for protocol, datasets in scores.means.items()
            },
        )
        listed = _with(registry, entry, is_default)
        os.replace(partial, folder / file)
    except ValidationError as error:
        reason = error.errors()[0]
        where = ".".join(str(part) for part in reason["loc"])
        message = reason["msg"].removeprefix("Value error, ")
        raise SrlabError(f"{candidate.name}: cannot be released: {where} {message}") from None
    finally:
        partial.unlink(missing_ok=True)
    (folder / "cards").mkdir(exist_ok=True)
    _write(folder / entry.card, text + _released_as(entry))
    tree = yaml.safe_dump(listed.model_dump(), sort_keys=False, allow_unicode=True, width=100)
    _write(folder / "models.yaml", _HEAD + tree)
    return entry


def _check_start(candidate: Candidate, registry: Registry, folder: Path) -> None:
    """Refuse a start that nothing lies between, since a strength is to be chosen there."""
    start = None if candidate.start is None else registry.entry(candidate.start)
    if start is None:
        return
    try:
        load_blend(folder / start.file, candidate.weights, 0.5)
    except SrlabError as error:
        raise SrlabError(
            f"{candidate.name}: start: {error}; name the network that it was trained on from, or "
            "leave the start out"
        ) from None


def _scores(candidate: Candidate, sha256: str) -> MethodScores:
    path = candidate.metrics
    scores = read_method(path, path.parent / "per_image" / f"{path.stem}.csv")
    if scores is None:
        raise SrlabError(f"{path}: no such scores; make them: dvc repro")
    strength = scores.made_by.strength
    if scores.made_by.weights_sha256 != sha256 or strength not in (None, 1.0):
        raise SrlabError(
            f"{path}: its scores are of other weights than {candidate.weights}; make them again: "
            "dvc repro"
        )
    return scores


def _card_text(candidate: Candidate, sha256: str) -> str:
    try:
        text = candidate.card.read_text(encoding="utf-8")
    except OSError as error:
        raise SrlabError(
            f"{candidate.card}: cannot be read ({error.strerror}); make it: dvc repro report"
        ) from None
    if sha256 not in text:
        raise SrlabError(
            f"{candidate.card}: the card of other weights than {candidate.weights}; make it again: "
            "dvc repro report"
        )
    return text


def _released_as(entry: Entry) -> str:
    return (
        f"\n## Released as\n\n- name: {entry.name}\n- good for: {entry.good_for}\n"
        f"- licence: {entry.licence}\n- file: {entry.file}, {entry.bytes / 1e6:.1f} MB, stored as "
        f"{entry.numbers}\n- SHA-256 of the file: {entry.sha256}\n"
    )


def _stays(network: nn.Module, card: Card, images: Sequence[Path]) -> bool:
    """Whether PSNR stays what it is when the weights are rounded to float16."""
    rounded = copy.deepcopy(network).half().float()
    return all(
        abs(_psnr(network, card, images, scale) - _psnr(rounded, card, images, scale)) < TOLERANCE
        for scale in card.scales
    )


def _psnr(network: nn.Module, card: Card, folders: Sequence[Path], scale: int) -> float:
    upscaler = network_upscaler(network, card)
    protocol = PROTOCOLS["y_rgb8"]
    found = []
    for path in (path for folder in folders for path in list_images(folder)):
        lr, hr = protocol.pair(to_tensor(read_pixels(path)), scale)
        found.append(score_fidelity(upscaler(lr, scale), hr, protocol, scale, ["psnr"])["psnr"])
    value = mean(found)
    # A network that overflows has no finite score, and is not equal to itself.
    return math.nan if value is None else value


def _with(registry: Registry, entry: Entry, is_default: bool) -> Registry:
    """The registry with a model, in the place of one of the same name."""
    models = [entry if known.name == entry.name else known for known in registry.models]
    if registry.entry(entry.name) is None:
        models.append(entry)
    changed = {"default": entry.name if is_default else registry.default, "models": models}
    return Registry.model_validate(dict(registry) | changed)


def _write(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def main(
    weights: Path,
    name: Annotated[str, typer.Option(help="As --model will have it.")],
    metrics: Annotated[Path, typer.Option(help="METHOD.json of these weights.")],
    card: Annotated[Path, typer.Option(help="Their card, as the report has written it.")],
    licence: Annotated[str, typer.Option(help="SPDX identifier.")],
    good_for: Annotated[str, typer.Option(help="When to choose it.")],
    start: Annotated[str | None, typer.Option(help="The released model at strength 0.")] = None,
    images: Annotated[
        list[Path] | None, typer.Option(help="Folder of images: float16 if PSNR stays on them.")
    ] = None,
    default: Annotated[bool, typer.Option(help="Use it where no model is named.")] = False,
    folder: Annotated[Path, typer.Option(help="Of the registry.")] = RELEASED,
) -> None:
    """Release WEIGHTS."""
    candidate = Candidate(weights, name, metrics, card, licence, good_for, start)
    try:
        entry = release(candidate, images=images or [], is_default=default, folder=folder)
    except SrlabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    print(f"{entry.name}: {folder / entry.file}, {entry.bytes / 1e6:.1f} MB, {entry.numbers}")


if __name__ == "__main__":
    typer.run(main)
