"""What the results were measured on, in words."""

import torch

from srlab.machine import available_cores, computes_bf16, device_name, processor


def machine_name(threads: int, device: str) -> str:
    """Such as `AMD EPYC, 2 cores, family 26, torch 2.14.1, bf16`.

    Args:
        threads: that torch uses of the processor.
        device: torch's type of what computes.
    """
    name = device_name(device)
    if device == "cpu" and threads != available_cores():
        name = f"{name} of which {threads} used"
    if device == "cpu" and (family := processor().get("cpu family")):
        # Virtual machines call several generations by one name, which differ by a factor of two.
        name = f"{name}, family {family}"
    # torch's version may end with how it was built, such as +cu130.
    version = torch.__version__.partition("+")[0]
    return f"{name}, torch {version}, {'bf16' if computes_bf16(device) else 'float32'}"
