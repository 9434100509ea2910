"""From weights to a file that other programs run, compared with srlab before it gets its name."""

import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.export import ExportedProgram

from srlab import __version__
from srlab.errors import SrlabError
from srlab.export.graph import upscaler_graph
from srlab.export.onnx_file import OPSET, check_onnx, onnx_runner, write_onnx
from srlab.export.parity import SIZES, largest_difference
from srlab.export.torch_file import torch_runner, trace, write_torch
from srlab.inference.upscalers import network_upscaler
from srlab.provenance import file_hash
from srlab.weights import Card, load_weights
from srlab.zoo.registry import Baseline, Release, load_registry, resolve

Format = Literal["onnx", "torch"]
Precision = Literal["float32", "float16"]

_DTYPES: dict[Precision, torch.dtype] = {"float32": torch.float32, "float16": torch.float16}
LIMITS: dict[Precision, float] = {"float32": 1e-4, "float16": 2 / 255}
"""The largest difference to srlab's own result that is accepted, on noise; float16 on photographs
is several times nearer."""


@dataclass(frozen=True)
class Exported:
    """A file that was written."""

    path: Path
    scale: int
    difference: float
    """The largest to srlab's own result, of values in [0, 1]."""
    limit: float

    def __str__(self) -> str:
        sizes = ", ".join(f"{number}x3x{height}x{width}" for number, height, width in SIZES)
        return (
            f"{self.path}: x{self.scale}, {self.path.stat().st_size / 1e6:.2f} MB; largest "
            f"difference to srlab {self.difference:.1e} (limit {self.limit:.1e}; images {sizes})"
        )


def export(
    model: str | Path,
    output: Path,
    *,
    file_format: Format = "onnx",
    scale: int | None = None,
    precision: Precision = "float32",
    opset: int = OPSET,
) -> Exported:
    """Write the upscaler of a trained network: RGB (N, 3, h, w) in [0, 1] -> (N, 3, s*h, s*w).

    N, h and w are free. The file says in its metadata what it is.

    Args:
        model: the name of a released model, or a weights file.
        output: gets its name when it gives what srlab gives.
        file_format: onnx, or torch for `torch.export`'s .pt2.
        scale: s; not needed where the network was trained for one only.
        precision: of the network's convolutions. Images are float32 in both.
        opset: of ONNX.

    Raises:
        SrlabError: there is no such model, it was not trained for the scale, a package is missing,
            the file cannot be written, or it does not give what srlab gives.
    """
    if file_format == "onnx":
        check_onnx(opset)
    released = resolve(model)
    if isinstance(released, Baseline):
        raise SrlabError(f"{model}: is an interpolation without weights; name a network")
    network, card = load_weights(released.path)
    scale = _scale(card, scale, released.name)
    graph = upscaler_graph(network, scale, _DTYPES[precision])
    metadata = {**_metadata(released, card), "scale": str(scale), "precision": precision}
    if output.is_dir():
        raise SrlabError(f"{output}: is a folder; name a file")
    partial = output.with_name(output.name + ".partial")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        partial.touch()  # where it cannot be written, nothing is computed
        run = _write(trace(graph), partial, file_format, metadata, opset)
        upscaler = network_upscaler(network, card)
        difference = largest_difference(run, upscaler, scale)
        if precision == "float16":
            # What runs a file on a CPU may compute in float32; torch does not.
            difference = max(difference, largest_difference(graph, upscaler, scale))
        if not difference <= LIMITS[precision]:
            raise SrlabError(
                f"{output}: not written, since it would differ from srlab by {difference:.1e}, "
                f"more than {LIMITS[precision]:.1e}; try --precision float32 or another --opset"
            )
        os.replace(partial, output)
    except OSError as error:
        raise SrlabError(f"{output}: cannot be written ({error})") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return Exported(output, scale, difference, LIMITS[precision])


def _write(
    program: ExportedProgram,
    path: Path,
    file_format: Format,
    metadata: Mapping[str, str],
    opset: int,
) -> Callable[[Tensor], Tensor]:
    """Write a file; what it computes."""
    if file_format == "onnx":
        write_onnx(program, path, metadata, opset)
        return onnx_runner(path)
    write_torch(program, path, metadata)
    return torch_runner(path)


def _scale(card: Card, scale: int | None, name: str) -> int:
    known = ", ".join(str(factor) for factor in card.scales)
    if scale is None and len(card.scales) > 1:
        raise SrlabError(f"{name}: enlarges by {known}; name one: --scale {card.scales[-1]}")
    if scale is not None and scale not in card.scales:
        raise SrlabError(f"{name}: was trained to enlarge by {known}, not by {scale}")
    return card.scales[0] if scale is None else scale


def _metadata(released: Release, card: Card) -> dict[str, str]:
    sha256 = file_hash(released.path)
    licences = {entry.sha256: entry.licence for entry in load_registry().models}
    return {
        "weights_sha256": sha256,
        "licence": licences.get(sha256, "not stated"),
        "architecture": card.architecture,
        "hyperparameters": json.dumps(card.hyperparameters),
        "scales": json.dumps(card.scales),
        "git_commit": card.git_commit or "unknown",
        "input": "lr, float32 (N, 3, h, w)",
        "output": "sr, float32 (N, 3, scale * h, scale * w)",
        "colour_order": "RGB",
        "range": "[0, 1]",
        "srlab_version": __version__,
    }
