"""What the results were measured on, in words."""

from pathlib import Path

import torch

from srlab.machine import available_cores, computes_bf16, device_name


def machine_name(threads: int, device: str) -> str:
    """Such as `AMD EPYC, 2 cores, family 26, torch 2.14.1, bf16`.

    Args:
        threads: that torch uses of the processor.
        device: torch's type of what computes.
    """
    name = device_name(device)
    if device == "cpu" and threads != available_cores():
        name = f"{name} of which {threads} used"
    if device == "cpu" and (family := _family()) is not None:
        # Virtual machines call several generations by one name, which differ by a factor of two.
        name = f"{name}, family {family}"
    # torch's version may end with how it was built, such as +cu130.
    version = torch.__version__.partition("+")[0]
    return f"{name}, torch {version}, {'bf16' if computes_bf16(device) else 'float32'}"


def _family() -> str | None:
    """What the processor calls its generation, where Linux tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return None
    return next((line.partition(":")[2].strip() for line in lines if "cpu family" in line), None)
