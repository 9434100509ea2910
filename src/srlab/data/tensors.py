"""Images as tensors; apart from `srlab.data.images`, for loading torch takes seconds."""

import numpy as np
import torch
from torch import Tensor


def to_tensor(pixels: np.ndarray) -> Tensor:
    """uint8 (H, W) or (H, W, C) -> float32 (1, C, H, W) in [0, 1], with C = 1 for grey."""
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(planes))[None].float() / 255


def to_pixels(image: Tensor) -> np.ndarray:
    """Float (1, C, H, W) in [0, 1] -> uint8 (H, W) or (H, W, 3), clipped and rounded."""
    planes = image[0].clamp(0, 1).mul(255).round().byte().cpu().numpy()
    return planes[0] if len(planes) == 1 else np.ascontiguousarray(planes.transpose(1, 2, 0))


def crop_to_multiple(image: Tensor, scale: int) -> Tensor:
    """Cut (..., H, W) at the right and the bottom to a multiple of the scale."""
    height, width = image.shape[-2:]
    return image[..., : height - height % scale, : width - width % scale]
