"""MemNet and SRResNet as anyone would first write them: what srlab's speed is compared with.

They stay as they are, whatever becomes of srlab's own. Their weights have the names of srlab's, so
that both can be given the same and must then give the same images.
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, relu


class PlainMemNet(nn.Module):
    """(N, 1, H, W) -> (N, 1, H, W), as `srlab.models.memnet.MemNet` with single supervision."""

    def __init__(
        self, *, memory_blocks: int, residual_units: int, features: int, gate_kernel: int = 1
    ) -> None:
        super().__init__()
        self.extraction = nn.Conv2d(1, features, 3, padding=1, bias=False)
        self.blocks = nn.ModuleList(
            _MemoryBlock(features, residual_units, block + 1, gate_kernel)
            for block in range(memory_blocks)
        )
        self.reconstruction_norm = nn.BatchNorm2d(features)
        self.reconstruction = nn.Conv2d(features, 1, 3, padding=1, bias=False)

    def forward(self, enlarged: Tensor) -> Tensor:
        memories = [self.extraction(enlarged)]
        for block in self.blocks:
            memories.append(block(memories))
        return enlarged + 0.1 * self.reconstruction(relu(self.reconstruction_norm(memories[-1])))


class _MemoryBlock(nn.Module):
    def __init__(self, features: int, residual_units: int, memories: int, kernel: int) -> None:
        super().__init__()
        self.units = nn.ModuleList(_ResidualUnit(features) for _ in range(residual_units))
        self.gate = _Gate(features, residual_units + memories, kernel)

    def forward(self, memories: list[Tensor]) -> Tensor:
        x = memories[-1]
        outputs = []
        for unit in self.units:
            x = unit(x)
            outputs.append(x)
        return self.gate(torch.cat(outputs + memories, dim=1))


class _ResidualUnit(nn.Module):
    def __init__(self, features: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.BatchNorm2d(features) for _ in range(2))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(features, features, 3, padding=1, bias=False) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.convolutions[0](relu(self.norms[0](x)))
        y = self.convolutions[1](relu(self.norms[1](y)))
        return x + y


class _Gate(nn.Module):
    def __init__(self, features: int, memories: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(features * memories)
        self.convolution = nn.Conv2d(
            features * memories, features, kernel, padding=kernel // 2, bias=False
        )

    def forward(self, memories: Tensor) -> Tensor:
        return self.convolution(relu(self.norm(memories)))


class PlainSRResNet(nn.Module):
    """(N, 3, h, w) -> (N, 3, 4h, 4w), as `srlab.models.srresnet.SRResNet` at x4."""

    def __init__(
        self,
        *,
        residual_blocks: int,
        features: int,
        batch_norm: bool,
        bicubic_skip: bool,
        outer_kernel: int,
        upsampler: str,
    ) -> None:
        super().__init__()
        self.bicubic_skip = bicubic_skip
        self.head = nn.Sequential(
            nn.Conv2d(3, features, outer_kernel, padding=outer_kernel // 2), nn.PReLU()
        )
        self.blocks = nn.Sequential(
            *(_ResidualBlock(features, batch_norm) for _ in range(residual_blocks))
        )
        self.fusion = nn.Sequential(*_convolution(features, batch_norm))
        last = outer_kernel // 2
        if upsampler == "stages":
            self.upsampler = nn.Sequential(
                nn.Conv2d(features, 4 * features, 3, padding=1),
                nn.PixelShuffle(2),
                nn.PReLU(),
                nn.Conv2d(features, 4 * features, 3, padding=1),
                nn.PixelShuffle(2),
                nn.PReLU(),
                nn.Conv2d(features, 3, outer_kernel, padding=last),
            )
        else:
            self.upsampler = nn.Sequential(
                nn.Conv2d(features, 128, 3, padding=1),
                nn.PixelShuffle(4),
                nn.PReLU(),
                nn.Conv2d(8, 3, outer_kernel, padding=last),
            )

    def forward(self, lr: Tensor) -> Tensor:
        x = self.head(lr)
        x = self.upsampler(x + self.fusion(self.blocks(x)))
        if not self.bicubic_skip:
            return x
        return x + interpolate(lr, scale_factor=4, mode="bicubic", align_corners=False)


class _ResidualBlock(nn.Module):
    def __init__(self, features: int, batch_norm: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(features, batch_norm), nn.PReLU(), *_convolution(features, batch_norm)
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x)


def _convolution(features: int, batch_norm: bool) -> list[nn.Module]:
    convolution = nn.Conv2d(features, features, 3, padding=1, bias=not batch_norm)
    return [convolution, nn.BatchNorm2d(features)] if batch_norm else [convolution]
