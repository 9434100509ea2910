"""The format of `torch.export`, .pt2: for programs that have torch, but not srlab."""

import json
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

METADATA = "metadata.json"
"""The name of the metadata inside of the file, see `torch.export.load`'s `extra_files`."""


def trace(graph: nn.Module) -> ExportedProgram:
    """A graph (N, 3, h, w) -> (N, 3, s*h, s*w) as torch's operations, for any N, h and w."""
    sizes = {0: Dim("number"), 2: Dim("height"), 3: Dim("width")}
    # In the mode in which the network runs, or its change of mode would be part of the graph.
    with torch.no_grad():
        program = torch.export.export(graph, (torch.rand(2, 3, 12, 10),), dynamic_shapes=(sizes,))
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # names files of this machine
    return program


def write_torch(program: ExportedProgram, path: Path, metadata: Mapping[str, str]) -> None:
    """Write a traced graph with its metadata."""
    with path.open("wb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a constant that lies in memory by columns
        torch.export.save(program, file, extra_files={METADATA: json.dumps(metadata)})


def torch_runner(path: Path) -> Callable[[Tensor], Tensor]:
    """What a file computes."""
    with path.open("rb") as file:
        network = torch.export.load(file).module()
    return torch.no_grad()(network)
