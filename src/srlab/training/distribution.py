"""DDP: every process has the whole networks and a share of each batch; gradients are averaged."""

import atexit
import inspect
import logging
import os
from datetime import timedelta
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch.nn.parallel import DistributedDataParallel

from srlab.errors import SrlabError
from srlab.training.companions import end_with_parent, start_companions

# torch 2.14 has renamed the argument.
_ARGUMENTS = inspect.signature(DistributedDataParallel).parameters
_SYNC = "forward_sync_buffers" if "forward_sync_buffers" in _ARGUMENTS else "broadcast_buffers"
_OWN_BUFFERS: dict[str, Any] = {_SYNC: False}


def ddp(device: str) -> DDPStrategy:
    """DDP as srlab trains with it.

    BN's statistics stay each process's own, those of its share of the batch, on GPUs, too. Were
    they broadcast before every forward pass, as DDP does by default, the discriminator's second
    pass would change what the backward pass of the first still needs. What is saved is rank 0's.

    Every parameter takes part in every backward pass, so `find_unused_parameters` stays off.

    Args:
        device: torch's type.

    Raises:
        SrlabError: SRLAB_RANK_TIMEOUT_SECONDS is no number of seconds.
    """
    return DDPStrategy(
        # What the ranks agree on lies in the processor's memory, which NCCL does not exchange.
        process_group_backend="cpu:gloo,cuda:nccl" if device == "cuda" else "gloo",
        timeout=timedelta(seconds=_timeout()),
        **_OWN_BUFFERS,
    )


def join(fabric: Fabric) -> None:
    """Start the other processes of this machine, unless that is done, and join all of them."""
    if "LOCAL_RANK" in os.environ:
        end_with_parent()
    else:
        start_companions(fabric.world_size)
    # Each process would tell who it is and what it waits for.
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    fabric.launch()
    atexit.register(_leave)


def _leave() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def _timeout() -> float:
    """Seconds that a process waits for the others, who may be validating or writing."""
    value = os.environ.get("SRLAB_RANK_TIMEOUT_SECONDS", "600")
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1
    if not 0 < seconds < float("inf"):
        raise SrlabError(
            f"SRLAB_RANK_TIMEOUT_SECONDS is {value!r}; it must be a number of seconds above 0"
        )
    return seconds
