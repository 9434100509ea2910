"""How much there is to compute, to move and to start in a training step; nothing is computed."""

from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import FlopCounterMode

from bench.formulas import Work
from srlab.backbone_layers import BackboneName, MaxPool, layers
from srlab.models.discriminator import Discriminator
from srlab.params import SRGANParams

_BATCH = 2
_GRADIENT_BYTES = 4
"""Of a parameter: also where bf16 computes, gradients are float32."""


def supervised_work(network: nn.Module, channels: int, side: int) -> Work:
    """A step of training with a loss between images, in bf16.

    Args:
        network: on any device; not changed.
        channels, side: of the patches that it sees.
    """
    hollow = network.to("meta", torch.bfloat16).train()

    def step() -> None:
        hollow(_hollow_patches(channels, side)).sum().backward()

    return _work(step, hollow)


def adversarial_work(generator: nn.Module, params: SRGANParams, lr_side: int, hr_side: int) -> Work:
    """A step of SRGAN: generator, perceptual loss and both passes of the discriminator, in bf16."""
    settings = params.discriminator
    generator = generator.to("meta", torch.bfloat16).train()
    discriminator = Discriminator(
        features=settings.features, dense=settings.dense, batch_norm=settings.batch_norm
    ).to("meta", torch.bfloat16)
    backbone = nn.Sequential()
    if params.perceptual.backbone != "none":
        backbone = _until(params.perceptual.backbone, params.perceptual.layer)

    def step() -> None:
        hr = _hollow_patches(3, hr_side)
        sr = generator(_hollow_patches(3, lr_side))
        content = (sr - hr).square().mean() + (backbone(sr) - backbone(hr)).square().mean()
        (content + discriminator(sr).mean()).backward()
        (discriminator(hr).mean() - discriminator(sr.detach()).mean()).backward()

    return _work(step, generator, discriminator)


class _Traffic(TorchDispatchMode):
    """Counts operations, and the bytes of all tensors that they read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0
        self.operations = 0

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = operation(*args, **(kwargs or {}))
        if not operation.is_view:
            tensors = [t for t in tree_iter((args, kwargs, result)) if isinstance(t, Tensor)]
            self.bytes += sum(tensor.nbytes for tensor in tensors)
            self.operations += 1
        return result


def _work(step: Callable[[], None], *trained: nn.Module) -> Work:
    with _Traffic() as traffic, FlopCounterMode(display=False) as counter:
        step()
    values = sum(p.numel() for network in trained for p in network.parameters())
    return Work(
        flops=counter.get_total_flops() / _BATCH,
        traffic=traffic.bytes / _BATCH,
        operations=traffic.operations,
        gradient_bytes=_GRADIENT_BYTES * values,
    )


def _hollow_patches(channels: int, side: int) -> Tensor:
    return torch.empty(_BATCH, channels, side, side, device="meta", dtype=torch.bfloat16)


def _until(name: BackboneName, layer: str) -> nn.Sequential:
    """A backbone's layers up to the named one, frozen, without weights."""
    with torch.device("meta"):
        features = getattr(torchvision.models, name)(weights=None).features
    names = [None if isinstance(each, MaxPool) else each.name for each in layers(name)]
    until = features[: names.index(layer) + 1]
    return nn.Sequential(*until).to(torch.bfloat16).requires_grad_(False)
