"""ALEX: cosine similarity of AlexNet's features."""

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, cosine_similarity, max_pool2d

from srlab.backbones import Backbone

SMALLEST = 63
"""Sides below it leave AlexNet's last pooling without a value."""


@torch.inference_mode()
def alex_features(backbone: Backbone, images: Tensor) -> Tensor:
    """The 9216 values behind AlexNet's last pooling, which ALEX compares.

    The images are neither resized nor normalised: this is what comes closest to the numbers of
    Lal & Javid, who do not say it (0.680 / 0.833 against 0.702 / 0.835 for nearest and bicubic on
    Set5; normalised 0.523 / 0.773).

    Args:
        backbone: AlexNet.
        images: RGB (N, 3, H, W) in [0, 1].

    Returns:
        (N, 9216) float64.

    Raises:
        ValueError: the images are smaller than AlexNet's strides need, 63 pixels.
    """
    if min(images.shape[-2:]) < SMALLEST:
        raise ValueError(f"ALEX needs images of {SMALLEST} pixels, not {images.shape[-2:]}")
    (features,) = backbone(images.float(), ["relu5"], normalize=False)
    pooled = adaptive_avg_pool2d(max_pool2d(features, kernel_size=3, stride=2), 6)
    return pooled.flatten(1).double()


def alex(sr: Tensor, hr: Tensor) -> Tensor:
    """ALEX of what `alex_features` gives for results and for the truth, one value per image.

    Returns:
        (N,) in [-1, 1]; 1 for equal images.
    """
    return cosine_similarity(sr, hr)
