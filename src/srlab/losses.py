"""Losses between a batch of images and the truth.

Shapes: sr and hr are (N, C, H, W) in [0, 1]; every loss is a scalar.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional


def half_sum_squared(sr: Tensor, hr: Tensor) -> Tensor:
    """1 / (2 N) times the summed squared error: Lal & Javid, and Tai et al. 2017, equation 8."""
    return (sr - hr).square().sum() / (2 * len(sr))


CONTENT: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "half_sum_squared": half_sum_squared,
    "mse": functional.mse_loss,
    "l1": functional.l1_loss,
}
"""Content losses by the name that params.yaml gives them."""


def supervised(
    outputs: list[Tensor], average: Tensor | None, hr: Tensor, loss: str
) -> dict[str, Tensor]:
    """MemNet's loss, as named terms that add up to it.

    Multi-supervised (`average` given): alpha on the average's loss plus (1 - alpha) on the mean
    of the outputs' losses, alpha = 1 / (1 + m) (Lal & Javid; Tai et al. 2017, equation 11).
    """
    content = CONTENT[loss]
    if average is None:
        return {"content": content(outputs[-1], hr)}
    alpha = 1 / (1 + len(outputs))
    intermediate = torch.stack([content(output, hr) for output in outputs]).mean()
    return {
        "content": alpha * content(average, hr),
        "intermediate": (1 - alpha) * intermediate,
    }
