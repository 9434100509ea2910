"""Sub-pixel convolution: channels become pixels.

Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
Convolutional Neural Network", CVPR 2016.

Letters: N images, h x w pixels, F features, r the factor.

`torch.nn.PixelShuffle` takes the r^2 channels of a feature one behind the other. Where channels lie
last in memory, each of their values then goes to a place of its own. Were channels ordered by row,
column and feature, r * F values would move in one piece, several times as fast. So the convolution
in front gives them in that order. Its weights are kept as torch orders them.
"""

from torch import Tensor, nn

from srlab.models.convolution import Convolution, convolve


class SubPixelConvolution(Convolution):
    """(N, C, h, w) -> (N, r*r*F, h, w), the channels ordered by row, column and feature.

    Args:
        inputs: C.
        outputs: F.
        factor: r.
    """

    def __init__(self, inputs: int, outputs: int, factor: int) -> None:
        super().__init__(inputs, outputs * factor**2, 3)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        assert self.bias is not None
        weight, bias = (self._reordered(values) for values in (self.weight, self.bias))
        return convolve(x, weight, bias)

    def _reordered(self, values: Tensor) -> Tensor:
        return values.unflatten(0, (-1, self.factor**2)).transpose(0, 1).flatten(0, 1)


class SubPixelShuffle(nn.PixelShuffle):
    """(N, r*r*F, h, w) as `SubPixelConvolution` orders them -> (N, F, r*h, r*w), channels last."""

    def forward(self, x: Tensor) -> Tensor:
        factor = self.upscale_factor
        count, channels, height, width = x.shape
        # (N, h, w, r, r*F) -> (N, h, r, w, r*F)
        rows = x.permute(0, 2, 3, 1).unflatten(3, (factor, -1)).transpose(2, 3)
        features = channels // factor**2
        pixels = rows.reshape(count, height * factor, width * factor, features)
        return pixels.permute(0, 3, 1, 2)
