"""The eight symmetries of the square, on images: turned by quarters, mirrored, or both."""

from torch import Tensor

SYMMETRIES = tuple(range(8))
"""Their numbers; 0 changes nothing."""


def transform(image: Tensor, symmetry: int) -> Tensor:
    """An image (..., H, W), mirrored and turned: (..., H, W), or (..., W, H) from 4 on."""
    flipped = image.flip(_flipped(symmetry))
    return flipped.transpose(-2, -1) if symmetry & 4 else flipped


def undo(image: Tensor, symmetry: int) -> Tensor:
    """What `transform` was given."""
    turned = image.transpose(-2, -1) if symmetry & 4 else image
    return turned.flip(_flipped(symmetry))


def _flipped(symmetry: int) -> list[int]:
    return [dim for dim, bit in ((-2, 2), (-1, 1)) if symmetry & bit]
