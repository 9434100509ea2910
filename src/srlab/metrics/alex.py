"""ALEX: cosine similarity of AlexNet's features."""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, cosine_similarity, max_pool2d

from srlab.backbones import Backbone

SMALLEST = 63
"""Sides below it leave AlexNet's last pooling without a value."""


def alex(backbone: Backbone, sr: Tensor, hr: Tensor) -> Tensor:
    """Cosine similarity of the 9216 values behind AlexNet's last pooling, one value per image.

    The images are neither resized nor normalised: this is what comes closest to the numbers of
    Lal & Javid, who do not say it (0.680 / 0.833 against 0.702 / 0.835 for nearest and bicubic on
    Set5; normalised 0.523 / 0.773).

    Args:
        backbone: AlexNet.
        sr, hr: RGB images (N, 3, H, W) in [0, 1].

    Returns:
        (N,) in [-1, 1]; 1 for equal images.

    Raises:
        ValueError: the images are smaller than AlexNet's strides need, 63 pixels.
    """
    return cosine_similarity(alex_features(backbone, sr), alex_features(backbone, hr))


@torch.inference_mode()
def alex_features(backbone: Backbone, images: Tensor) -> Tensor:
    """What ALEX compares of RGB images (N, 3, H, W) in [0, 1]: (N, 9216) float64.

    Raises:
        ValueError: as `alex`.
    """
    if min(images.shape[-2:]) < SMALLEST:
        raise ValueError(f"ALEX needs images of {SMALLEST} pixels, not {images.shape[-2:]}")
    (features,) = backbone(images.float(), ["relu5"], normalize=False)
    pooled = adaptive_avg_pool2d(max_pool2d(features, kernel_size=3, stride=2), 6)
    return pooled.flatten(1).double()
