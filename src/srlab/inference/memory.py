"""How much memory is free, and how to tell that there was too little."""

import gc

import psutil
import torch

_SIGNS = (
    "not enough memory",  # the CPU, Windows
    "can't allocate memory",  # the CPU, Linux
    "ALLOC_FAILED",  # cuBLAS, cuDNN
)


def free_bytes(device: torch.device) -> int:
    """Bytes that can still be allocated on a device.

    On a GPU what torch keeps for itself but does not use counts as free. On a CPU it is what the
    machine has; the limit of a container is not seen.
    """
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    return int(psutil.virtual_memory().available)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory did not suffice.

    >>> is_out_of_memory(RuntimeError("shapes do not match"))
    False
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def release() -> None:
    """Give back what torch keeps, after an allocation that failed."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
