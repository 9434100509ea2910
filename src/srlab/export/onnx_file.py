"""ONNX: for onnxruntime and whatever else reads it."""

import importlib.util
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor
from torch.export import ExportedProgram

from srlab.errors import SrlabError

OPSET = 18
"""torch writes this one; others are converted from it."""

_PACKAGES = ("onnx", "onnxscript", "onnxruntime")


def check_onnx(opset: int) -> None:
    """Refuse at once what cannot be written here.

    Raises:
        SrlabError: a package is missing, or does not know the opset.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise SrlabError(
            f"ONNX needs {', '.join(missing)}, not installed here: pip install 'srlab[onnx]'"
        )
    from onnx.defs import onnx_opset_version

    if not OPSET <= opset <= onnx_opset_version():
        raise SrlabError(
            f"opset {opset}: can be {OPSET} to {onnx_opset_version()}; {OPSET} is known to most"
        )


def write_onnx(
    program: ExportedProgram, path: Path, metadata: Mapping[str, str], opset: int
) -> None:
    """Write a traced graph, from `lr` to `sr`, with its metadata as the model's properties.

    Raises:
        SrlabError: the graph cannot be written in this opset.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what torch will change in itself
        written = torch.onnx.export(
            program,
            input_names=["lr"],
            output_names=["sr"],
            dynamic_shapes=({0: "number", 2: "height", 3: "width"},),
            opset_version=opset,
            external_data=False,
            verbose=False,
        )
    assert written is not None
    model = written.model
    model.producer_name, model.producer_version = "srlab", metadata["srlab_version"]
    model.metadata_props.update(metadata)
    for node in model.graph:
        node.metadata_props.clear()  # where in torch it is from: a fifth of the file
    if (found := model.opset_imports[""]) != opset:
        raise SrlabError(f"opset {opset}: the graph can only be written in {found}; use that")
    written.save(path)


def onnx_runner(path: Path) -> Callable[[Tensor], Tensor]:
    """What onnxruntime computes from a file, on the CPU.

    Raises:
        SrlabError: it cannot read the file.
    """
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    except Exception as error:  # it raises many kinds
        reason = " ".join(str(error).split())[:200]
        raise SrlabError(f"onnxruntime does not read this: {reason}; try --opset 18") from None

    def run(lr: Tensor) -> Tensor:
        (sr,) = session.run(["sr"], {"lr": lr.numpy()})
        return torch.from_numpy(sr)

    return run
