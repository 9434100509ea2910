"""Device, precision, distribution and seeds: decided here and nowhere else."""

import os
from typing import Any

import torch
from lightning_fabric import Fabric, seed_everything
from lightning_fabric.plugins import MixedPrecision, Precision

from srlab.errors import SrlabError
from srlab.machine import computes_bf16
from srlab.params import TrainerParams
from srlab.training.distribution import ddp, join
from srlab.training.processes import processes


def launch(params: TrainerParams) -> Fabric:
    """A Fabric as params.yaml asks for it, its processes launched and seeded.

    Raises:
        SrlabError: the accelerator or the processes asked for are not there.
    """
    accelerator = params.accelerator
    if accelerator == "cuda" and not torch.cuda.is_available():
        raise SrlabError("trainer.accelerator: cuda, but torch finds no CUDA GPU; use auto or cpu")
    if accelerator == "mps" and not torch.backends.mps.is_available():
        raise SrlabError("trainer.accelerator: mps, but torch finds none; use auto or cpu")
    # Fabric's own greeting and seed messages would stand in every log.
    os.environ.setdefault("LIGHTNING_DISABLE_UPDATE_CHECK", "1")
    device = device_type(accelerator)
    if device == "cuda":
        # Before Fabric sees the GPU, which would advise it in every log.
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    devices, nodes = processes(params, device)
    shared = params.strategy == "ddp" or devices * nodes > 1
    fabric = Fabric(
        accelerator=device,
        devices=devices,
        num_nodes=nodes,
        strategy=ddp(device) if shared else "auto",
        plugins=_precision(params, device),
    )
    if shared:
        join(fabric)
    else:
        fabric.launch()
    # All ranks alike, so that they start from the same weights; see `seed_rank` for what follows.
    seed_everything(params.seed, verbose=False)
    return fabric


def device_type(accelerator: str) -> str:
    """torch's type of the device that an accelerator of params.yaml stands for."""
    if accelerator != "auto":
        return accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


class _Bf16Inside(MixedPrecision):
    """bf16 where autocast takes it: in convolutions, not in what comes into a network.

    Fabric would round the images first, and bf16 has as few bits as they have.
    """

    def convert_input(self, data: Any) -> Any:
        return data


def _precision(params: TrainerParams, device: str) -> Precision:
    bf16 = params.precision == "bf16" or (params.precision == "auto" and computes_bf16(device))
    return _Bf16Inside("bf16-mixed", device) if bf16 else Precision()
