"""MemNet: a persistent memory network for image restoration.

Tai, Yang, Liu, Xu: "MemNet: A Persistent Memory Network for Image Restoration", ICCV 2017, and
Lal & Javid, "Image Super-Resolution using Deep Neural Networks".

Letters: N images, H x W pixels of the enlarged image, F features, m memory blocks, r residual
units in each. `MmRr` names a network: M6R6 has 6 memory blocks of 6 residual units.

Deviations from Tai et al.:
- the feature extraction is a plain convolution. BN and ReLU in front of it would throw half of a
  one-channel image away before anything has looked at it;
- `gate_kernel` may be 3: the parameter count that Lal & Javid give for M6R6 (4.75M) is that of
  3x3 gates, not of the 1x1 gates in their text;
- with `share_weights` (Tai et al.) the residual units of a block share their convolutions but not
  their BN, since the statistics differ from one recursion to the next;
- the reconstruction's convolution starts at zero, so that the untrained network is the identity
  on the enlarged image, and the convolutions before it start as He et al. (2015) propose.

On a processor a step of training waits for memory for a quarter of its time. So the sums work in
place, on what no gradient needs any more, and BN and ReLU are one: `srlab.models.norm_relu`.
Convolutions are those of `srlab.models.convolution`.
"""

import torch
from torch import Tensor, nn

from srlab.models.convolution import Convolution
from srlab.models.norm_relu import NormReLU


class ResidualUnit(nn.Module):
    """(N, F, H, W) -> (N, F, H, W): BN, ReLU, 3x3 convolution, twice, plus the input."""

    def __init__(self, *, features: int, convolutions: nn.ModuleList) -> None:
        super().__init__()
        self.norms = nn.ModuleList(NormReLU(features) for _ in convolutions)
        self.convolutions = convolutions

    def forward(self, x: Tensor) -> Tensor:
        outer, inner = self.norms
        first, second = self.convolutions
        assert isinstance(outer, NormReLU)
        seen, x = outer.passing(x)
        return second(inner(first(seen))).add_(x)


class GateUnit(nn.Module):
    """k memories (N, F, H, W) -> (N, F, H, W): BN, ReLU and a convolution over all of them."""

    def __init__(self, *, features: int, memories: int, kernel: int) -> None:
        super().__init__()
        self.norm = NormReLU(features * memories)
        self.convolution = _convolution(features * memories, features, kernel)

    def forward(self, memories: list[Tensor]) -> Tensor:
        return self.convolution(self.norm(*memories))


class MemoryBlock(nn.Module):
    """All long-term memories so far -> the next one: r residual units in a row, then the gate.

    The gate sees the r short-term memories (the units' outputs) and the long-term memories.
    """

    def __init__(
        self, *, features: int, residual_units: int, memories: int, gate_kernel: int, share: bool
    ) -> None:
        super().__init__()
        shared = _unit_convolutions(features) if share else None
        self.units = nn.ModuleList(
            ResidualUnit(features=features, convolutions=shared or _unit_convolutions(features))
            for _ in range(residual_units)
        )
        self.gate = GateUnit(
            features=features, memories=residual_units + memories, kernel=gate_kernel
        )

    def forward(self, long_term: list[Tensor]) -> Tensor:
        x = long_term[-1]
        short_term = []
        for unit in self.units:
            x = unit(x)
            short_term.append(x)
        return self.gate(short_term + long_term)


class MemNet(nn.Module):
    """MemNet on the bicubically enlarged luma.

    Args:
        memory_blocks: m.
        residual_units: r, in each memory block.
        features: F.
        gate_kernel: size of the gates' convolutions, 1 or 3.
        share_weights: the units of a memory block share their convolutions.
        multi_supervision: reconstruct from every long-term memory and average with learnt weights.
    """

    RESIDUAL_SCALE = 0.1
    """The reconstruction is multiplied by it: what is missing in a bicubic image is small, and an
    adaptive optimizer's steps are of one size, so that without it they overshoot for long."""

    REPEATED = (ResidualUnit, GateUnit)
    """The modules that hold most of the computation."""

    def __init__(
        self,
        *,
        memory_blocks: int,
        residual_units: int,
        features: int,
        gate_kernel: int = 1,
        share_weights: bool = False,
        multi_supervision: bool = False,
    ) -> None:
        super().__init__()
        self.extraction = _convolution(1, features, 3)
        self.blocks = nn.ModuleList(
            MemoryBlock(
                features=features,
                residual_units=residual_units,
                memories=index + 1,
                gate_kernel=gate_kernel,
                share=share_weights,
            )
            for index in range(memory_blocks)
        )
        self.reconstruction_norm = NormReLU(features)
        self.reconstruction = _convolution(features, 1, 3)
        nn.init.zeros_(self.reconstruction.weight)
        self.output_weights = (
            nn.Parameter(torch.full((memory_blocks,), 1 / memory_blocks))
            if multi_supervision
            else None
        )

    def forward(self, enlarged: Tensor) -> Tensor:
        """(N, 1, H, W) -> (N, 1, H, W), not clamped."""
        outputs = self.outputs(enlarged)
        return outputs[-1] if self.output_weights is None else self.average(outputs)

    def outputs(self, enlarged: Tensor) -> list[Tensor]:
        """Reconstructions (N, 1, H, W): of each memory if multi-supervised, else of the last."""
        long_term = [self.extraction(enlarged)]
        for block in self.blocks:
            long_term.append(block(long_term))
        supervised = long_term[-1:] if self.output_weights is None else long_term[1:]
        return [enlarged + self._reconstruct(memory) for memory in supervised]

    def average(self, outputs: list[Tensor]) -> Tensor:
        """The learnt weighting of the outputs (Tai et al. 2017, equation 10).

        The weights are divided by their sum: an image plus residuals stays an image.
        """
        assert self.output_weights is not None
        weights = self.output_weights / self.output_weights.sum()
        return sum(
            (w * output for w, output in zip(weights, outputs, strict=True)), torch.zeros(())
        )

    def _reconstruct(self, memory: Tensor) -> Tensor:
        return self.RESIDUAL_SCALE * self.reconstruction(self.reconstruction_norm(memory))


def layers(*, memory_blocks: int, residual_units: int) -> int:
    """Convolutions from input to output, as the papers count: 80 for M6R6."""
    return 1 + memory_blocks * (2 * residual_units + 1) + 1


def _convolution(inputs: int, outputs: int, kernel: int) -> Convolution:
    # Without bias: a BN follows every convolution but the last, which adds to an image.
    convolution = Convolution(inputs, outputs, kernel, bias=False)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return convolution


def _unit_convolutions(features: int) -> nn.ModuleList:
    return nn.ModuleList(_convolution(features, features, 3) for _ in range(2))
