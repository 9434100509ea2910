"""PReLU, whose gradient does not take torch's slow way on a processor.

He, Zhang, Ren, Sun: "Delving Deep into Rectifiers", ICCV 2015.

On a processor torch computes PReLU's gradient value by value where it is bf16. The gradients of
Leaky ReLU, a product and a sum say the same, and are vectorised.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu


class PReLU(nn.PReLU):
    """As `torch.nn.PReLU` with one slope; the same state, and the same values but for rounding."""

    def __init__(self) -> None:
        super().__init__(num_parameters=1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H, W)."""
        # The slope as a number would make a GPU wait, and break what is compiled in two.
        if x.device.type != "cpu" or torch.compiler.is_compiling():
            return super().forward(x)
        return _PReLUOnProcessor.apply(x, self.weight)


class _PReLUOnProcessor(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        ctx.slope = slope.item()
        return leaky_relu(x, ctx.slope)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        (x,) = ctx.saved_tensors
        of_slope = x.clamp_max(0).mul_(gradient).sum().reshape(1)
        of_x = torch.ops.aten.leaky_relu_backward(gradient, x, ctx.slope, False)
        return of_x, of_slope
