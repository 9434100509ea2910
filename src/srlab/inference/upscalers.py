"""From a low-resolution image to a high-resolution one: the border that every method shares.

An upscaler takes lr (N, C, h, w) in [0, 1], C = 1 (grey or luma) or 3 (RGB), and a scale s, and
gives sr (N, C, s*h, s*w) in [0, 1]. Clamping happens here and nowhere else.
"""

from typing import Protocol

import torch
from torch import Tensor, nn

from srlab.data.color import rgb_to_ycbcr, ycbcr_to_rgb
from srlab.data.kernels import Kernel
from srlab.data.resample import resample
from srlab.inference.folded import fold
from srlab.models.memnet import MemNet
from srlab.weights import Card


class Upscaler(Protocol):
    """What scales an image up."""

    takes_luma: bool
    """Whether it may be scored where only luma is there, as in the protocol `y`."""
    scales: list[int] | None
    """The factors that it enlarges by; None stands for any."""

    def __call__(self, lr: Tensor, scale: int) -> Tensor: ...


class Interpolation:
    """Resampling with a kernel: the baselines."""

    takes_luma = True
    scales: list[int] | None = None

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def __call__(self, lr: Tensor, scale: int) -> Tensor:
        return resample(lr, scale=scale, kernel=self._kernel).clamp(0, 1)


class EnlargedLuma:
    """A network that refines the bicubically enlarged luma, such as MemNet.

    Cb and Cr are enlarged bicubically. It computes in float32 where the network is.

    Args:
        network: (N, 1, H, W) -> (N, 1, H, W).
    """

    takes_luma = True
    scales: list[int] | None = None

    def __init__(self, network: nn.Module) -> None:
        self._network = network.to(memory_format=torch.channels_last).eval()
        self._device = next(network.parameters()).device

    @torch.inference_mode()
    def __call__(self, lr: Tensor, scale: int) -> Tensor:
        enlarged = resample(lr, scale=scale)
        if lr.shape[1] == 1:
            return self._refine(enlarged).clamp(0, 1)
        ycbcr = rgb_to_ycbcr(enlarged)
        ycbcr[:, :1] = self._refine(ycbcr[:, :1])
        return ycbcr_to_rgb(ycbcr).clamp(0, 1)

    def _refine(self, enlarged: Tensor) -> Tensor:
        seen = enlarged.to(self._device, torch.float32)
        return self._network(seen.contiguous(memory_format=torch.channels_last)).to(enlarged)


class EnlargingRgb:
    """A network that enlarges RGB images by one scale, such as SRResNet.

    Grey images go through it as RGB, and the mean of the three channels comes out. It computes in
    float32 where the network is.

    Args:
        network: (N, 3, h, w) -> (N, 3, s*h, s*w).
        scale: s.
    """

    # What it learnt is full-range RGB; luma in studio range would be another kind of image.
    takes_luma = False

    def __init__(self, network: nn.Module, scale: int) -> None:
        self._network = network.to(memory_format=torch.channels_last).eval()
        self.scales: list[int] | None = [scale]
        self._device = next(network.parameters()).device

    @torch.inference_mode()
    def __call__(self, lr: Tensor, scale: int) -> Tensor:
        if scale not in (self.scales or []):
            raise ValueError(f"the network enlarges by {self.scales}, not by {scale}")
        seen = lr.to(self._device, torch.float32).expand(-1, 3, -1, -1)
        sr = self._network(seen.contiguous(memory_format=torch.channels_last)).to(lr)
        return (sr.mean(dim=1, keepdim=True) if lr.shape[1] == 1 else sr).clamp(0, 1)


def network_upscaler(network: nn.Module, card: Card) -> Upscaler:
    """The upscaler for a trained network, which is folded for it."""
    folded = fold(network)
    if isinstance(network, MemNet):
        return EnlargedLuma(folded)
    return EnlargingRgb(folded, card.scales[0])
