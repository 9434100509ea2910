"""SRResNet for inference: each BN folded into the convolution in front of it.

PReLU stays: it bends, so it folds into nothing.

Letters as in `srlab.models.srresnet`.
"""

import copy

import torch
from torch import Tensor, nn

from srlab.data.resample import resample
from srlab.inference.batch_norm import affine, frozen
from srlab.models.srresnet import ResidualBlock, SRResNet


class FoldedSRResNet(nn.Module):
    """(N, 3, h, w) -> (N, 3, s*h, s*w), as the SRResNet it is made from gives in evaluation mode.

    Args:
        network: a trained SRResNet; not changed.
    """

    def __init__(self, network: SRResNet) -> None:
        super().__init__()
        self.scale = network.scale
        self.bicubic_skip = network.bicubic_skip
        self.head = _folded(network.head)
        self.bodies = nn.ModuleList()
        for block in network.blocks:
            assert isinstance(block, ResidualBlock)
            self.bodies.append(_folded(block.body))
        self.fusion = _folded(network.fusion)
        self.upsampler = _folded(network.upsampler)
        self.eval()

    @torch.no_grad()
    def forward(self, lr: Tensor) -> Tensor:
        """Not clamped; of the type of `lr`, also where the weights are bf16.

        An image has 8 bits and bf16 has 8, so what makes an image out of features is computed in
        the type of `lr`: the sum with the bicubic image or, where there is none, the last
        convolution.
        """
        first = self.head[0]
        assert isinstance(first, nn.Conv2d)
        x = self.head(lr.to(first.weight.dtype))
        skip = x
        for body in self.bodies:
            x = body(x).add_(x)
        x = self.fusion(x).add_(skip)
        del skip
        if self.bicubic_skip:
            # The kernel of torch's interpolate, whose sample positions are rounded to float32 and
            # so depend, at x3, on where in an image a tile lies.
            enlarged = resample(lr, scale=self.scale, kernel="bicubic_aliased")
            return enlarged.add_(self.upsampler(x))
        *layers, last = self.upsampler
        for layer in layers:
            x = layer(x)
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        return nn.functional.conv2d(
            x.to(lr.dtype), last.weight.to(lr.dtype), last.bias.to(lr.dtype), padding=last.padding
        )


def _folded(layers: nn.Sequential) -> nn.Sequential:
    """A copy in which no BN is left."""
    result: list[nn.Module] = []
    for layer in copy.deepcopy(layers).requires_grad_(False):
        if not isinstance(layer, nn.BatchNorm2d):
            result.append(layer)
            continue
        convolution = result[-1]
        assert isinstance(convolution, nn.Conv2d)
        factor, summand = affine(layer)
        convolution.weight = frozen(convolution.weight * factor[:, None, None, None])
        bias = 0 if convolution.bias is None else convolution.bias
        convolution.bias = frozen(summand + factor * bias)
    return nn.Sequential(*result)
