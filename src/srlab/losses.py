"""Losses between a batch of images and the truth.

Shapes: sr and hr are (N, C, H, W) in [0, 1]; every loss is a scalar.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.functional import avg_pool2d

from srlab.data.color import luma

_GRID_WINDOW = 6
_LEAST_ERROR = 1e-6
"""Mean squared error below which `log_error` sees little gain: 60 dB."""


def half_sum_squared(sr: Tensor, hr: Tensor) -> Tensor:
    """1 / (2 N) times the summed squared error: Lal & Javid, and Tai et al. 2017, equation 8."""
    return (sr - hr).square().sum() / (2 * len(sr))


def log_error(sr: Tensor, hr: Tensor) -> Tensor:
    """Mean over the images of the logarithm of their mean squared error.

    But for sign and factor this is the mean of their PSNRs, as a table has it: an image that is
    easy counts as much as one that is not. Source: Chen et al. 2021, "HINet".
    """
    return (sr - hr).square().mean(dim=(1, 2, 3)).add(_LEAST_ERROR).log().mean()


CONTENT: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "half_sum_squared": half_sum_squared,
    "mse": functional.mse_loss,
    "l1": functional.l1_loss,
    "log_error": log_error,
}
"""Content losses by the name that params.yaml gives them."""


def content(sr: Tensor, hr: Tensor, loss: str, luma_share: float) -> Tensor:
    """A content loss of RGB images, a share of it on their luma alone, in which PSNR is measured.

    Args:
        sr, hr: (N, 3, H, W).
        loss: a key of CONTENT.
        luma_share: 0 leaves luma out, 1 leaves colour out.
    """
    compare = CONTENT[loss]
    if luma_share == 0:
        return compare(sr, hr)
    # bf16 has too few digits for what is left of a difference.
    with torch.autocast(sr.device.type, enabled=False):
        sr = sr.float()
        on_luma = compare(luma(sr), luma(hr))
        return luma_share * on_luma + (1 - luma_share) * compare(sr, hr)


def grid(sr: Tensor, hr: Tensor, scale: int) -> Tensor:
    """How far the mean error depends on a pixel's place inside its low-resolution pixel.

    The errors of each of the scale^2 phases are averaged over windows of 6x6 low-resolution pixels;
    the loss is the mean absolute deviation of these from their mean over the phases. Errors that
    have to do with the picture average out, a checkerboard does not. A backbone's features do not
    see one: behind its poolings a pattern that repeats with them is a constant.

    Args:
        sr, hr: (N, C, H, W), H and W multiples of the scale.
        scale: the factor that sr was enlarged by.
    """
    count, channels, height, width = sr.shape
    rows, columns = height // scale, width // scale
    error = (sr - hr).reshape(count, channels, rows, scale, columns, scale)
    phases = error.permute(0, 1, 3, 5, 2, 4).reshape(count, -1, rows, columns)
    window = (min(_GRID_WINDOW, rows), min(_GRID_WINDOW, columns))
    stride = (max(1, window[0] // 2), max(1, window[1] // 2))
    means = avg_pool2d(phases, window, stride)
    means = means.reshape(count, channels, scale**2, *means.shape[2:])
    return (means - means.mean(dim=2, keepdim=True)).abs().mean()


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
