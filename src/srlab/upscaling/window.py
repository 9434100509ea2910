"""A part of a resampled image, from the part of the image that it depends on."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from srlab.data.kernels import Kernel
from srlab.data.resample import gather, resampling_taps


@dataclass(frozen=True)
class Axis:
    """What happens to the rows, or the columns, of a whole image."""

    length: int
    """How many it has."""
    size: int
    """How many the resampled image has."""

    def radius(self) -> int:
        """How many of its rows away a row of the result looks, with every kernel that there is."""
        return 1 + -(-3 * max(self.length, self.size) // self.size)

    def place(self, row: int) -> int:
        """The row of the result at which the part of a row begins: whole parts give the whole."""
        return (2 * row * self.size + self.length) // (2 * self.length)


def resampled_part(
    part: Tensor,
    axes: Sequence[Axis],
    first: Sequence[int],
    spans: Sequence[tuple[int, int]],
    kernel: Kernel,
) -> Tensor:
    """Some rows and columns of what `srlab.data.resample.resample` gives for the whole image.

    Args:
        part: (..., h, w) of the image.
        axes: of the whole image, rows and columns.
        first: the row and the column of the whole image with which the part begins.
        spans: the rows and columns of the result that are wanted, from the first to before the
            last. Where the part does not reach as far as they look, its border is repeated.
        kernel: resamples.

    Returns:
        (..., H', W') as many as the spans have.
    """
    for axis in (0, 1):
        part = _one_axis(part, axis - 2, axes[axis], first[axis], spans[axis], kernel)
    return part


def _one_axis(
    part: Tensor, dim: int, axis: Axis, first: int, span: tuple[int, int], kernel: Kernel
) -> Tensor:
    start, stop = span
    if axis.length == axis.size:
        return part.narrow(dim, start - first, stop - start)
    indices, weights = resampling_taps(axis.length, axis.size / axis.length, axis.size, kernel)
    indices = (indices[start:stop] - first).clamp(0, part.shape[dim] - 1)
    return gather(part, dim, indices, weights[start:stop])
