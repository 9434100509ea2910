"""MemNet for inference: the same function with less work and memory.

- The second BN of each residual unit is folded into the convolution in front of it, and the
  residual scale into the last convolution. (A first BN of a unit normalises a sum that the unit
  also passes on as it is, so it has no convolution of its own to go into.)
- A gate is computed source by source into one sum. The network as trained concatenates up to
  r + m memories, and normalises and rectifies the copy.
- What a short-term memory adds to its gate is added as soon as it is known, so that only the
  long-term memories are kept, and the last of them only as long as it is read.

Letters as in `srlab.models.memnet`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from srlab.inference.batch_norm import affine, frozen
from srlab.models.memnet import GateUnit, MemNet, MemoryBlock, ResidualUnit


class FoldedMemNet(nn.Module):
    """(N, 1, H, W) -> (N, 1, H, W), as the MemNet it is made from gives in evaluation mode.

    Args:
        network: a trained MemNet; not changed.
    """

    def __init__(self, network: MemNet) -> None:
        super().__init__()
        self.extraction = frozen(network.extraction.weight)
        self.blocks = nn.ModuleList()
        for block in network.blocks:
            assert isinstance(block, MemoryBlock)
            self.blocks.append(_Block(block))
        self.norm = _NormRelu(*affine(network.reconstruction_norm))
        self.reconstruction = frozen(network.reconstruction.weight * network.RESIDUAL_SCALE)
        weights = network.output_weights
        self.output_weights = None if weights is None else frozen(weights / weights.sum())
        self.eval()

    @torch.no_grad()
    def forward(self, enlarged: Tensor) -> Tensor:
        """Not clamped; of the type of `enlarged`, also where the weights are bf16.

        An image has 8 bits and bf16 has 8, so only what is added to the image may be bf16.
        """
        long_term = [conv2d(enlarged.to(self.extraction.dtype), self.extraction, padding=1)]
        residual: Tensor | None = None
        for index, block in enumerate(self.blocks):
            last = index == len(self.blocks) - 1
            memory = block(long_term)
            if last:
                long_term.clear()
            else:
                long_term.append(memory)
            if self.output_weights is None and not last:
                continue
            term = conv2d(self.norm(memory), self.reconstruction, padding=1)
            if self.output_weights is not None:
                term.mul_(self.output_weights[index])
            residual = _add(residual, term)
        assert residual is not None
        return enlarged + residual.to(enlarged.dtype)


class _Block(nn.Module):
    """All long-term memories so far -> the next one."""

    def __init__(self, block: MemoryBlock) -> None:
        super().__init__()
        self.units = nn.ModuleList()
        for unit in block.units:
            assert isinstance(unit, ResidualUnit)
            self.units.append(_Unit(unit))
        self.gate = _Gate(block.gate)

    def forward(self, long_term: Sequence[Tensor]) -> Tensor:
        x = long_term[-1]
        total: Tensor | None = None
        for source, unit in enumerate(self.units):
            x = unit(x)
            total = self.gate.add(total, x, source)
        del x
        for source, memory in enumerate(long_term, start=len(self.units)):
            total = self.gate.add(total, memory, source)
        assert total is not None
        return total


class _Unit(nn.Module):
    """A residual unit, its second BN folded into its first convolution."""

    def __init__(self, unit: ResidualUnit) -> None:
        super().__init__()
        first, second = unit.convolutions
        assert isinstance(first, nn.Conv2d)
        assert isinstance(second, nn.Conv2d)
        outer, inner = unit.norms
        assert isinstance(outer, nn.BatchNorm2d)
        assert isinstance(inner, nn.BatchNorm2d)
        self.norm = _NormRelu(*affine(outer))
        factor, summand = affine(inner)
        self.first = frozen(first.weight * factor[:, None, None, None])
        self.bias = frozen(summand)
        self.second = frozen(second.weight)

    def forward(self, x: Tensor) -> Tensor:
        residual = conv2d(self.norm(x), self.first, self.bias, padding=1).relu_()
        return conv2d(residual, self.second, padding=1).add_(x)


class _Gate(nn.Module):
    """A gate, cut into a part for each of its sources."""

    def __init__(self, gate: GateUnit) -> None:
        super().__init__()
        features = gate.convolution.out_channels
        self.padding = gate.convolution.kernel_size[0] // 2
        self.weights = nn.ParameterList(
            frozen(part) for part in gate.convolution.weight.split(features, dim=1)
        )
        parts = zip(*(values.split(features) for values in affine(gate.norm)), strict=True)
        self.norms = nn.ModuleList(_NormRelu(factor, summand) for factor, summand in parts)

    def add(self, total: Tensor | None, memory: Tensor, source: int) -> Tensor:
        """The sum, in place, with what one more source gives."""
        seen = self.norms[source](memory)
        return _add(total, conv2d(seen, self.weights[source], padding=self.padding))


class _NormRelu(nn.Module):
    """A BN with fixed statistics and the ReLU behind it, in one pass and one buffer."""

    def __init__(self, factor: Tensor, summand: Tensor) -> None:
        super().__init__()
        self.factor = frozen(factor[:, None, None])
        self.summand = frozen(summand[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return torch.addcmul(self.summand, x, self.factor).relu_()


def _add(total: Tensor | None, term: Tensor) -> Tensor:
    return term if total is None else total.add_(term)
