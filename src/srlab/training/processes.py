"""How many processes share a training."""

import os

import torch

from srlab.errors import SrlabError
from srlab.params import TrainerParams


def processes(params: TrainerParams, device: str) -> tuple[int, int]:
    """(processes on each machine, machines), as params.yaml asks for them.

    Args:
        params: the trainer's.
        device: torch's type.

    Raises:
        SrlabError: torchrun has started others, or the devices are not there.
    """
    started = _started_by_torchrun()
    devices = params.devices
    if devices == "auto":
        devices = started[0] if started else _devices(device)
    nodes = params.nodes
    if started and (devices, nodes) != started:
        raise SrlabError(
            f"torchrun started {started[0]} processes on each of {started[1]} machines, but "
            f"trainer.devices is {params.devices} and trainer.nodes is {nodes}; set them to "
            f"{started[0]} (or auto) and {started[1]}, or start as many as they say"
        )
    if nodes > 1 and not started:
        raise SrlabError(
            f"trainer.nodes: {nodes}, but one process cannot start the other machines'; start "
            f"torchrun --nnodes {nodes} on each of them, see README.md"
        )
    if device == "cuda" and devices > torch.cuda.device_count():
        raise SrlabError(
            f"trainer.devices: {devices}, but this machine has {torch.cuda.device_count()} GPUs"
        )
    if device == "mps" and (devices * nodes > 1 or params.strategy == "ddp"):
        raise SrlabError("trainer.accelerator: mps trains in one process and without ddp only")
    return devices, nodes


def _devices(device: str) -> int:
    """What `auto` stands for: every GPU; a processor is one device, however many cores it has."""
    return torch.cuda.device_count() if device == "cuda" else 1


def _started_by_torchrun() -> tuple[int, int] | None:
    """(processes on this machine, machines); None where torchrun has not started this process."""
    if not (torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()):
        return None
    here, everywhere = int(os.environ["LOCAL_WORLD_SIZE"]), int(os.environ["WORLD_SIZE"])
    if everywhere % here:
        raise SrlabError(
            f"torchrun started {here} processes here and {everywhere} in all; every machine must "
            "have as many (--nproc-per-node)"
        )
    return here, everywhere // here
