"""Device, precision, distribution and seeds: decided here and nowhere else."""

import os
from typing import Literal

import torch
from lightning_fabric import Fabric, seed_everything

from srlab.errors import SrlabError
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
    devices, nodes = processes(params, device)
    shared = params.strategy == "ddp" or devices * nodes > 1
    fabric = Fabric(
        accelerator=device,
        devices=devices,
        num_nodes=nodes,
        strategy=ddp(device) if shared else "auto",
        precision=_precision(params, device),
    )
    if shared:
        join(fabric)
    else:
        fabric.launch()
    # All ranks alike, so that they start from the same weights; see `seed_rank` for what follows.
    seed_everything(params.seed, verbose=False)
    if device == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True
    return fabric


def device_type(accelerator: str) -> str:
    """torch's type of the device that an accelerator of params.yaml stands for."""
    if accelerator != "auto":
        return accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _precision(params: TrainerParams, device: str) -> Literal["bf16-mixed", "32-true"]:
    bf16 = params.precision == "bf16" or (params.precision == "auto" and computes_bf16(device))
    return "bf16-mixed" if bf16 else "32-true"


def computes_bf16(device: str) -> bool:
    """Whether the device computes in bf16 rather than emulating it."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_tile"))
    return False
