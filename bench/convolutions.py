"""The convolutions of each training alone: what no training that computes them so can exceed.

A step convolves, and takes the gradients of what is convolved and of the weights. BN, PReLU, sums,
the loss, the optimizer and the loader come on top of that.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bench.alternation import alternate
from bench.cases import Case, training_cases
from bench.limits import limit_type
from bench.results import Row
from bench.settings import Settings
from bench.training import limit
from srlab.models.convolution import convolve

_WARMUP = 2


@dataclass(frozen=True)
class Convolution:
    """One of a network's, and what it is given in a step; (N, C, H, W) each, and its weights."""

    seen: Tensor
    gradient: Tensor
    """Of what comes out."""
    weight: Tensor
    bias: Tensor | None

    @property
    def gives_gradient(self) -> bool:
        """Of what it sees: not so where that is the image."""
        return self.seen.requires_grad

    def forward(self) -> Tensor:
        """What comes out, in the type of what goes in."""
        kind = self.seen.dtype
        with torch.autocast("cpu", dtype=kind, enabled=kind != torch.float32):
            return convolve(self.seen, self.weight, self.bias)

    def backward(self, output: Tensor) -> tuple[Tensor, ...]:
        """The gradients of the weights, of the bias, and of what it sees."""
        wanted = [self.weight, self.bias, self.seen if self.gives_gradient else None]
        return torch.autograd.grad(
            output, [tensor for tensor in wanted if tensor is not None], self.gradient
        )


def measure(settings: Settings) -> Iterator[Row]:
    """Patches per second, and the share of the matrix-product rate that they are worth.

    Plain are float32 and channels first, as in plain training; ours is what the processor computes
    fastest in, and channels last, and srlab's loops take the gradients of the weights.
    """
    for case in training_cases(quick=settings.quick):
        yield compare(case, rounds=2 if settings.quick else 12)


def compare(case: Case, rounds: int) -> Row:
    """The row of a training's convolutions."""
    plain = convolutions(case, torch.float32, torch.contiguous_format)
    ours = convolutions(case, limit_type(), torch.channels_last)
    steps = case.round_steps()
    return alternate(
        lambda: _rate(plain, case.batch, steps),
        lambda: _rate(ours, case.batch, steps),
        rounds,
        lambda: limit(case),
    ).of_rates(f"convolutions alone: {case.name}", "patches/s")


def convolutions(case: Case, kind: torch.dtype, layout: torch.memory_format) -> list[Convolution]:
    """What a step of a training convolves, in the order of the network.

    Each has images of its own, as in training: none finds them in a cache.
    """
    found: list[Convolution] = []

    def note(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        assert isinstance(module, nn.Conv2d)
        seen, gradient = (
            torch.rand(tensor.shape).to(kind).to(memory_format=layout)
            for tensor in (inputs[0], output)
        )
        weight = torch.rand(module.weight.shape).to(memory_format=layout).requires_grad_()
        bias = None if module.bias is None else torch.zeros(module.bias.shape).requires_grad_()
        seen.requires_grad_(inputs[0].requires_grad)
        found.append(Convolution(seen, gradient, weight, bias))

    hollow = case.plain().to("meta")
    for module in hollow.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(note)
    hollow(torch.empty(case.batch, *case.seen_shape(), device="meta"))
    return found


def _rate(step: list[Convolution], batch: int, steps: int) -> float:
    """Patches per second of some steps, behind two that do not count."""
    for _ in range(_WARMUP):
        take(step)
    start = time.perf_counter()
    for _ in range(steps):
        take(step)
    return steps * batch / (time.perf_counter() - start)


def take(step: list[Convolution]) -> list[Any]:
    """Convolve and take the gradients; what comes out is kept until then, as in training."""
    outputs: list[Any] = [convolution.forward() for convolution in step]
    pairs = zip(reversed(step), reversed(outputs), strict=True)
    return outputs + [convolution.backward(output) for convolution, output in pairs]
