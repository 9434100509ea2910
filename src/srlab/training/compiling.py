"""torch.compile for a network, as a whole or by the kinds of modules that it repeats."""

from types import MethodType

import torch
from torch import nn

from srlab.models import bicubic_skip


def compile_method(network: nn.Module, method: str) -> None:
    """Compile a method of a network as a whole, at its first call: the fastest to call."""
    bicubic_skip.let_compile()
    # Still bound to the network: Fabric marks methods alone.
    compiled = torch.compile(getattr(type(network), method))
    setattr(network, method, MethodType(compiled, network))


def compile_modules(network: nn.Module, kinds: tuple[type[nn.Module], ...]) -> None:
    """Compile the forward method of every module of some kinds, at its first call.

    All modules of one kind and shape share one result, so that a deep network takes little longer
    to compile than a shallow one. Calling each of them takes the processor longer than a GPU may
    take to compute it: worth it where the calls are recorded.

    Args:
        network: whose modules they are.
        kinds: of modules that hold most of the computation, and none of the others.
    """
    compiled = {kind: torch.compile(kind.forward, dynamic=False) for kind in kinds}
    for module in network.modules():
        if type(module) in compiled:
            module.forward = MethodType(compiled[type(module)], module)
