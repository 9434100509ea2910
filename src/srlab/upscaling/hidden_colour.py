"""Colours under fully transparent pixels, replaced by those around them.

What a program has left there, black mostly, is not seen, but every kernel and network mixes
neighbours, so it would show as a dark seam along edges.

Source: Gortler et al. 1996, "The Lumigraph", section 3.3 (pull-push).
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate


def filled(pixels: np.ndarray) -> np.ndarray:
    """The same picture with other colours where nothing is seen of them.

    Args:
        pixels: uint8, uint16 or floating point (H, W, 2 or 4), alpha last. Not changed.
    """
    hidden = pixels[..., -1] == 0
    if not hidden.any() or hidden.all():
        return pixels
    known = torch.from_numpy(~hidden)[None, None].float()
    colours = torch.from_numpy(pixels[..., :-1].astype(np.float32)).permute(2, 0, 1)[None]
    spread = _pull_push(colours * known, known)[0].permute(1, 2, 0).numpy()
    result = pixels.copy()
    values = spread[hidden]
    is_whole = np.issubdtype(pixels.dtype, np.integer)
    result[hidden, :-1] = np.rint(values) if is_whole else values
    return result


def _pull_push(weighted: Tensor, weight: Tensor) -> Tensor:
    """Colours everywhere, given (1, C, H, W) that are zero where the weight (1, 1, H, W) is."""
    known = weighted / weight.clamp(min=1e-6)
    if weight.shape[-2] * weight.shape[-1] == 1 or bool((weight > 0).all()):
        return known
    coarse = [avg_pool2d(values, 2, ceil_mode=True) for values in (weighted, weight)]
    around = _pull_push(*coarse)
    spread = interpolate(around, scale_factor=2, mode="bilinear", align_corners=False)
    spread = spread[..., : weight.shape[-2], : weight.shape[-1]]
    return torch.where(weight > 0, known, spread)
