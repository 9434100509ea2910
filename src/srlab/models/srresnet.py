"""SRResNet: the generator of SRGAN.

Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial
Network", CVPR 2017, and Lal & Javid, "Image Super-Resolution using Deep Neural Networks".

Letters: N images, h x w pixels of the low-resolution image, s the scale, F features.

Deviations from Ledig et al., each an argument:
- without `batch_norm` the convolutions have a bias and the residual of each block is smaller at
  the start (the variance of what 16 blocks add would otherwise grow with their number);
- with `bicubic_skip` the network adds to the bicubically enlarged image, and its last convolution
  starts at zero, so that the untrained network is bicubic;
- `outer_kernel` may be 3 instead of 9: at the enlarged size a 9x9 convolution is a quarter of the
  network's cost;
- `upsampler: direct` makes 8 maps of the enlarged size at once (Shi et al. 2016) and the image from
  them, instead of F maps at every size on the way. At x4 that is a thirtieth of the multiply-adds.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from srlab.models.bicubic_skip import enlarge
from srlab.models.convolution import Convolution
from srlab.models.prelu import PReLU
from srlab.models.sub_pixel import SubPixelConvolution, SubPixelShuffle

_DIRECT_FEATURES = 8


class ResidualBlock(nn.Module):
    """(N, F, h, w) -> (N, F, h, w): convolution, BN, PReLU, convolution, BN, plus the input."""

    def __init__(self, *, features: int, batch_norm: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(features, features, batch_norm=batch_norm),
            PReLU(),
            *_convolution(features, features, batch_norm=batch_norm),
        )
        if not batch_norm:
            last = self.body[-1]
            assert isinstance(last, nn.Conv2d)
            with torch.no_grad():
                last.weight.mul_(0.1)

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).add_(x)


class SRResNet(nn.Module):
    """RGB images, enlarged by a fixed scale.

    Args:
        scale: s, 2, 3 or 4.
        residual_blocks: 16 in Ledig et al.
        features: F, 64 in Ledig et al.
        batch_norm: a BN behind every convolution but the first and the last ones.
        bicubic_skip: add to the bicubically enlarged image.
        outer_kernel: size of the first and the last convolution, 9 in Ledig et al.
        upsampler: stages (a pixel shuffle for each factor of s) or direct.
    """

    REPEATED = (ResidualBlock,)
    """The modules that hold most of the computation."""

    def __init__(
        self,
        *,
        scale: int,
        residual_blocks: int = 16,
        features: int = 64,
        batch_norm: bool = True,
        bicubic_skip: bool = False,
        outer_kernel: int = 9,
        upsampler: Literal["stages", "direct"] = "stages",
    ) -> None:
        super().__init__()
        self.scale = scale
        self.bicubic_skip = bicubic_skip
        self.head = nn.Sequential(Convolution(3, features, outer_kernel), PReLU())
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(features=features, batch_norm=batch_norm)
                for _ in range(residual_blocks)
            )
        )
        self.fusion = nn.Sequential(*_convolution(features, features, batch_norm=batch_norm))
        self.upsampler = (
            _stages(scale, features, outer_kernel)
            if upsampler == "stages"
            else _direct(scale, features, outer_kernel)
        )
        if bicubic_skip:
            last = [module for module in self.upsampler if isinstance(module, nn.Conv2d)][-1]
            nn.init.zeros_(last.weight)
            assert last.bias is not None
            nn.init.zeros_(last.bias)

    def forward(self, lr: Tensor) -> Tensor:
        """(N, 3, h, w) -> (N, 3, s*h, s*w), not clamped."""
        x = self.head(lr)
        x = self.fusion(self.blocks(x)).add_(x)
        residual = self.upsampler(x)  # (N, 3, s*h, s*w)
        if not self.bicubic_skip:
            return residual
        return enlarge(lr, self.scale).add_(residual)


def _stages(scale: int, features: int, outer_kernel: int) -> nn.Sequential:
    """(N, F, h, w) -> (N, 3, s*h, s*w), doubling or tripling on the way."""
    layers: list[nn.Module] = []
    for factor in {2: (2,), 3: (3,), 4: (2, 2)}[scale]:
        widen = SubPixelConvolution(features, features, factor)
        _equal_within_pixels(widen)
        layers += [widen, SubPixelShuffle(factor), PReLU()]
    layers.append(Convolution(features, 3, outer_kernel))
    return nn.Sequential(*layers)


def _direct(scale: int, features: int, outer_kernel: int) -> nn.Sequential:
    """(N, F, h, w) -> (N, 3, s*h, s*w) with few maps at the enlarged size."""
    narrow = SubPixelConvolution(features, _DIRECT_FEATURES, scale)
    _equal_within_pixels(narrow)
    return nn.Sequential(
        narrow,
        SubPixelShuffle(scale),
        PReLU(),
        Convolution(_DIRECT_FEATURES, 3, outer_kernel),
    )


@torch.no_grad()
def _equal_within_pixels(convolution: SubPixelConvolution) -> None:
    """Give the factor^2 values of a pixel equal weights: no checkerboard at the start.

    Source: Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution" (ICNR).
    """
    repeats = convolution.factor**2
    convolution.weight.copy_(convolution.weight[::repeats].repeat_interleave(repeats, dim=0))
    assert convolution.bias is not None
    convolution.bias.copy_(convolution.bias[::repeats].repeat_interleave(repeats))


def _convolution(inputs: int, outputs: int, *, batch_norm: bool) -> list[nn.Module]:
    convolution = Convolution(inputs, outputs, 3, bias=not batch_norm)
    nn.init.kaiming_normal_(convolution.weight, a=0.25)  # the slope that PReLU starts with
    if batch_norm:
        return [convolution, nn.BatchNorm2d(outputs)]
    assert convolution.bias is not None
    nn.init.zeros_(convolution.bias)
    return [convolution]
