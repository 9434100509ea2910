"""What computes: the name of the GPU or of the processor, its cores, its types."""

import functools
import os
import platform
from pathlib import Path


@functools.cache
def processor() -> dict[str, str]:
    """What Linux says of the first core, such as its `model name`; elsewhere nothing."""
    try:
        first, _, _ = Path("/proc/cpuinfo").read_text().partition("\n\n")
    except OSError:
        return {}
    facts = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in facts}


def processor_name() -> str:
    """The processor's name as it gives it, and the cores that this process may use.

    >>> processor_name().endswith("cores")
    True
    """
    name = processor().get("model name") or platform.processor() or platform.machine()
    return f"{name}, {available_cores()} cores"


def available_cores() -> int:
    """Cores that this process may use, which in a container are fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def device_name(device: str) -> str:
    """The GPU's name for a device of type cuda, else the processor's.

    Args:
        device: torch's type, such as `cpu` or `cuda`.
    """
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    return f"{processor_name()} ({device})" if device != "cpu" else processor_name()


def computes_bf16(device: str) -> bool:
    """Whether the device computes in bf16; emulating it takes longer than float32.

    Args:
        device: torch's type, such as `cpu` or `cuda`.
    """
    import torch

    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu":
        capabilities = torch.cpu.get_capabilities()
        return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_tile"))
    return False
