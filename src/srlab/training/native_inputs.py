"""The loops in C++ that a training computes with, as something that its weights depend on."""

from srlab.native.compiled import Loops, sources
from srlab.params import TrainerParams
from srlab.training.fabric import device_type


def native_inputs(params: TrainerParams, *loops: Loops) -> dict[str, str]:
    """SHA-256 of those that are used, by their files' names; empty on a GPU."""
    return sources(*loops) if device_type(params.accelerator) == "cpu" else {}
