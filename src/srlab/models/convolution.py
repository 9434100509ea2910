"""Convolutions whose weights' gradients a processor computes fast.

In training with bf16 on a processor, oneDNN, which computes convolutions for PyTorch, reaches the
rate of matrix products for all but the gradients of the weights. These take a third of the
multiply-adds and, at three quarters of that rate and less, more than a third of the time. Loops in
C++ (`weight_gradient.cpp`) take them at nearly the rate of the others. They keep them in float32,
as the weights are, where autocast rounds them to bf16.

Where the loops cannot be had (on a GPU, without a compiler or the instruction, for other kernels,
types or layouts, in what torch.compile or an exporter sees), PyTorch does the same.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from srlab.native.compiled import WEIGHT_GRADIENT, library

_LANES = 16
"""Inputs and outputs must be a multiple of it; inputs of a 1x1 convolution, of twice as many."""


class Convolution(nn.Conv2d):
    """(N, C, H, W) -> (N, D, H, W) with a square kernel and zeros around the image.

    Args:
        inputs: C.
        outputs: D.
        kernel: its size, an odd number.
        bias: adds one to each output.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return convolve(x, self.weight, self.bias)


def convolve(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(N, C, H, W), weights (D, C, K, K), K odd, and biases (D) -> (N, D, H, W)."""
    if _runs_native(x, weight):
        result: Tensor = _Convolve.apply(x, weight, bias)
        return result
    return conv2d(x, weight, bias, padding=weight.shape[-1] // 2)


def _runs_native(x: Tensor, weight: Tensor) -> bool:
    outputs, inputs, height, width = weight.shape
    return (
        x.device.type == "cpu"
        and x.dtype == torch.bfloat16
        and weight.dtype == torch.float32
        and torch.is_autocast_enabled("cpu")
        and torch.is_grad_enabled()
        and weight.requires_grad
        and height == width
        and width in (1, 3)
        and inputs % (2 * _LANES if width == 1 else _LANES) == 0
        and outputs % _LANES == 0
        and not torch.compiler.is_compiling()
        and type(x) is Tensor
        and x.is_contiguous(memory_format=torch.channels_last)
        and library(WEIGHT_GRADIENT) is not None
    )


def weight_gradient(x: Tensor, of_y: Tensor, kernel: int) -> tuple[Tensor, Tensor]:
    """The gradients of a convolution's weights and biases, by the loops, which must be there.

    Args:
        x: (N, C, H, W), what is convolved; bf16 and channels last, as are
        of_y: (N, D, H, W), the gradients of what comes out.
        kernel: K, 1 or 3.

    Returns:
        (D, C, K, K), channels last, and (D), in float32.
    """
    images, inputs, height, width = x.shape
    outputs = of_y.shape[1]
    of_weight = torch.empty(
        (outputs, inputs, kernel, kernel),
        dtype=torch.float32,
        memory_format=torch.channels_last,
    )
    of_bias = torch.empty(outputs, dtype=torch.float32)
    arguments = _Arguments(
        x=x.data_ptr(),
        of_y=of_y.data_ptr(),
        of_weight=of_weight.data_ptr(),
        of_bias=of_bias.data_ptr(),
        images=images,
        height=height,
        width=width,
        inputs=inputs,
        outputs=outputs,
        threads=torch.get_num_threads(),
    )
    getattr(library(WEIGHT_GRADIENT), f"weight_gradient_{kernel}")(ctypes.byref(arguments))
    return of_weight, of_bias


class _Arguments(ctypes.Structure):
    """As in weight_gradient.cpp."""

    _fields_ = (
        ("x", ctypes.c_void_p),
        ("of_y", ctypes.c_void_p),
        ("of_weight", ctypes.c_void_p),
        ("of_bias", ctypes.c_void_p),
        ("images", ctypes.c_int64),
        ("height", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("inputs", ctypes.c_int64),
        ("outputs", ctypes.c_int64),
        ("threads", ctypes.c_int64),
    )


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        rounded = weight.to(x.dtype)  # as by autocast
        ctx.save_for_backward(x, rounded)
        ctx.has_bias = bias is not None
        return conv2d(x, rounded, bias, padding=weight.shape[-1] // 2)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_y: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        x, weight = ctx.saved_tensors
        of_y = of_y.contiguous(memory_format=torch.channels_last)
        of_x = _of_image(x, weight, of_y) if ctx.needs_input_grad[0] else None
        of_weight, of_bias = weight_gradient(x, of_y, weight.shape[-1])
        return of_x, of_weight, of_bias if ctx.has_bias else None


def _of_image(x: Tensor, weight: Tensor, of_y: Tensor) -> Tensor:
    padding = [weight.shape[-1] // 2] * 2
    of_x: Tensor = torch.ops.aten.convolution_backward(
        of_y, x, weight, None, [1, 1], padding, [1, 1], False, [0, 0], 1, [True, False, False]
    )[0]
    return of_x
