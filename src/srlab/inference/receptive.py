"""How far around a pixel a network looks, from its architecture.

A pixel of the result depends on pixels of the input that are at most the radius away, along both
axes, and on no other. So a piece of an image that has as much of the image around it gives what
the whole image gives, exactly.
"""

from torch import nn

from srlab.data.kernels import Kernel
from srlab.inference.folded_memnet import FoldedMemNet
from srlab.inference.folded_srresnet import FoldedSRResNet
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet

KERNEL_RADIUS: dict[Kernel, int] = {
    "nearest": 0,
    "box": 0,
    "bilinear": 1,
    "bicubic": 2,
    "bicubic_aliased": 2,
    "lanczos": 3,
}
"""How many low-resolution pixels away an interpolation looks that enlarges by a whole number."""


def receptive_radius(network: nn.Module) -> int:
    """How many pixels of its own input a network looks away; the smallest number that is exact.

    For MemNet these are pixels of the enlarged image, for SRResNet of the low-resolution image.

    Args:
        network: a MemNet or SRResNet, folded or not.

    Raises:
        ValueError: another network, of which nothing is known.
    """
    if isinstance(network, MemNet | FoldedMemNet):
        return sum(kernel // 2 for kernel in _longest_path(network))
    if isinstance(network, SRResNet | FoldedSRResNet):
        # The bicubic skip looks two pixels away, fewer than head, fusion and upsampler do.
        before, after = _enlarging(network)
        return max(before, after)
    raise ValueError(f"the receptive field of a {type(network).__name__} is not known")


def lr_radius(network: nn.Module, scale: int) -> int:
    """How many low-resolution pixels away an upscaler looks that is made of a network.

    For SRResNet this is `receptive_radius`. For MemNet it counts the bicubic enlarging, too, and is
    rounded up to whole pixels.

    Args:
        network: a MemNet or SRResNet, folded or not.
        scale: s.

    Raises:
        ValueError: another network, of which nothing is known.
    """
    radius = receptive_radius(network)
    if isinstance(network, SRResNet | FoldedSRResNet):
        return radius
    # Enlarged pixel p lies at (p + 0.5) / s - 0.5, and bicubic reads from one pixel before the one
    # at or before this place. The other side is the mirror image.
    return 1 - (2 * -radius + 1 - scale) // (2 * scale)


def _longest_path(network: MemNet | FoldedMemNet) -> list[int]:
    """The sizes of the convolutions one behind the other: through all units and gates."""
    kernels = [3]
    for block in network.blocks:
        gate = block.gate
        assert isinstance(gate, nn.Module)
        weight = next(p for p in gate.parameters() if p.ndim == 4)
        units = block.units
        assert isinstance(units, nn.ModuleList)
        kernels += [3, 3] * len(units) + [weight.shape[-1]]
    return [*kernels, 3]


def _enlarging(network: SRResNet | FoldedSRResNet) -> tuple[int, int]:
    """How far before and after itself a low-resolution pixel's s x s results look."""
    first, last = 0, network.scale - 1
    for layer in reversed(network.upsampler):
        if isinstance(layer, nn.Conv2d):
            first, last = first - layer.kernel_size[0] // 2, last + layer.kernel_size[0] // 2
        elif isinstance(layer, nn.PixelShuffle):
            first, last = first // layer.upscale_factor, last // layer.upscale_factor
    blocks = network.blocks if isinstance(network, SRResNet) else network.bodies
    head = network.head[0]
    assert isinstance(head, nn.Conv2d)
    before = 2 * len(blocks) + 1 + head.kernel_size[0] // 2
    return before - first, before + last
