"""BN and the ReLU behind it, in one pass over memory where PyTorch takes several.

PyTorch reads an image three times for BN and once more for ReLU, and writes it twice; backward it
is much the same. In training on a processor, loops in C++ (`norm_relu.cpp`) read it twice and write
it once. They also

- normalise what comes from several sources without concatenating it,
- add the gradients of what else is done with these sources, on the way.

Where they cannot be had (on a GPU, without a compiler, for other types or layouts, in evaluation,
in what torch.compile or an exporter sees), PyTorch does the same, with the same values but for
rounding.
"""

import ctypes
from typing import Any

import torch
from torch import Tensor, nn, relu_

from srlab.native.compiled import NORM_RELU, library

_LANES = 16
"""Channels of each source must be a multiple of it."""

_TYPES = (torch.float32, torch.bfloat16)


class NormReLU(nn.BatchNorm2d):
    """BN over the channels of one or several images, and ReLU; the state is that of BN."""

    def forward(self, *sources: Tensor) -> Tensor:
        """Some (N, C, H, W) -> (N, sum of C, H, W)."""
        return self.passing(*sources)[0]

    def passing(self, *sources: Tensor) -> tuple[Tensor, ...]:
        """The same, and behind it the sources, for what else is done with them.

        Gradients of the sources that are passed are added up in the pass that computes the others.
        """
        if self._runs_native(sources):
            assert self.num_batches_tracked is not None
            self.num_batches_tracked.add_(1)
            results: tuple[Tensor, ...] = _NormReLU.apply(self, self.weight, self.bias, *sources)
            return results
        joined = sources[0] if len(sources) == 1 else torch.cat(sources, dim=1)
        return relu_(super().forward(joined)), *sources

    def _runs_native(self, sources: tuple[Tensor, ...]) -> bool:
        first = sources[0]
        return (
            self.training
            and first.device.type == "cpu"
            and first.dtype in _TYPES
            and self.weight.dtype == torch.float32
            and len(first) * first.shape[2] * first.shape[3] > 1  # BN says so of a single pixel
            and first.shape[1] % _LANES == 0
            and not torch.compiler.is_compiling()
            and all(
                type(source) is Tensor
                and source.dtype == first.dtype
                and source.shape == first.shape
                and source.is_contiguous(memory_format=torch.channels_last)
                for source in sources
            )
            and library(NORM_RELU) is not None
        )


class _Arguments(ctypes.Structure):
    """As in norm_relu.cpp."""

    _fields_ = (
        ("x", ctypes.c_void_p),
        ("sources", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("rows", ctypes.c_int64),
        ("weight", ctypes.c_void_p),
        ("bias", ctypes.c_void_p),
        ("mean", ctypes.c_void_p),
        ("inverse_std", ctypes.c_void_p),
        ("sums", ctypes.c_void_p),
        ("threads", ctypes.c_int64),
        ("running_mean", ctypes.c_void_p),
        ("running_var", ctypes.c_void_p),
        ("momentum", ctypes.c_double),
        ("epsilon", ctypes.c_double),
        ("y", ctypes.c_void_p),
        ("of_y", ctypes.c_void_p),
        ("passed", ctypes.c_void_p),
        ("of_x", ctypes.c_void_p),
        ("of_weight", ctypes.c_void_p),
        ("of_bias", ctypes.c_void_p),
    )


class _NormReLU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, norm: NormReLU, weight: Tensor, bias: Tensor, *sources: Tensor
    ) -> tuple[Tensor, ...]:
        first = sources[0]
        shape = len(first), len(sources) * first.shape[1], *first.shape[2:]
        y = torch.empty(shape, dtype=first.dtype, memory_format=torch.channels_last)
        mean, inverse_std = torch.empty_like(weight), torch.empty_like(weight)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        _call(
            "forward",
            sources,
            (weight, bias, mean, inverse_std),
            running_mean=norm.running_mean.data_ptr(),
            running_var=norm.running_var.data_ptr(),
            momentum=norm.momentum,
            epsilon=norm.eps,
            y=y.data_ptr(),
        )
        ctx.save_for_backward(weight, bias, mean, inverse_std, *sources)
        ctx.set_materialize_grads(False)
        return y, *sources

    @staticmethod
    def backward(ctx: Any, of_y: Tensor | None, *passed: Tensor | None) -> tuple[Any, ...]:
        if of_y is None:
            return None, None, None, *passed
        weight, bias, mean, inverse_std, *sources = ctx.saved_tensors
        layout = torch.channels_last
        of_y = of_y.contiguous(memory_format=layout)
        given = [None if p is None else p.contiguous(memory_format=layout) for p in passed]
        of_x = [torch.empty_like(source) for source in sources]
        of_weight, of_bias = torch.empty_like(weight), torch.empty_like(bias)
        _call(
            "backward",
            sources,
            (weight, bias, mean, inverse_std),
            of_y=of_y.data_ptr(),
            passed=_pointers(given),
            of_x=_pointers(of_x),
            of_weight=of_weight.data_ptr(),
            of_bias=of_bias.data_ptr(),
        )
        return None, of_weight, of_bias, *of_x


def _call(
    name: str,
    sources: tuple[Tensor, ...] | list[Tensor],
    norm: tuple[Tensor, Tensor, Tensor, Tensor],
    **own: Any,
) -> None:
    first = sources[0]
    width = first.shape[1]
    threads = torch.get_num_threads()
    sums = torch.empty(threads, 2, len(sources) * width, dtype=torch.float64)
    weight, bias, mean, inverse_std = (tensor.data_ptr() for tensor in norm)
    x = _pointers(sources)
    arguments = _Arguments(
        x=x,
        sources=len(sources),
        width=width,
        rows=first.numel() // width,
        weight=weight,
        bias=bias,
        mean=mean,
        inverse_std=inverse_std,
        sums=sums.data_ptr(),
        threads=threads,
        **own,
    )
    kind = str(first.dtype).removeprefix("torch.")
    getattr(library(NORM_RELU), f"{name}_{kind}")(ctypes.byref(arguments))


def _pointers(tensors: Any) -> Any:
    pointers = (ctypes.c_void_p * len(tensors))(
        *(None if tensor is None else tensor.data_ptr() for tensor in tensors)
    )
    return ctypes.cast(pointers, ctypes.c_void_p)
