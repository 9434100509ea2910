"""The perceptual loss: distance between a backbone's features of two images."""

from pathlib import Path
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import l1_loss, mse_loss

from srlab.backbones import Backbone, load_backbone
from srlab.params import PerceptualParams


class PerceptualLoss(nn.Module):
    """Mean squared or absolute difference of features.

    Args:
        backbone: the network whose features are compared, ImageNet-normalised.
        layer: `conv5_4` before, `relu5_4` after the ReLU.
        distance: mse (Johnson et al. 2016, Ledig et al. 2017) or l1.
        feature_scale: multiplies the features before they are compared. Behind a ReLU of VGG they
            are of the order of 10; Ledig et al. use 1 / 12.75.
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        layer: str,
        distance: Literal["mse", "l1"],
        feature_scale: float,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.layer = layer
        self.distance = mse_loss if distance == "mse" else l1_loss
        self.feature_scale = feature_scale

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1], twice -> a scalar. No gradient flows to hr."""
        x, y = (self.feature_scale * self._features(images) for images in (sr, hr.detach()))
        return self.distance(x.float(), y.float())

    def _features(self, images: Tensor) -> Tensor:
        (features,) = self.backbone(images, [self.layer])
        return features


def load_perceptual_loss(params: PerceptualParams, path: Path) -> PerceptualLoss | None:
    """The loss that params.yaml describes, over the file that the stage `backbone` made.

    None where params ask for none.

    Raises:
        SrlabError: the file is missing, or holds another backbone.
    """
    if params.backbone == "none":
        return None
    return PerceptualLoss(
        load_backbone(path, params.backbone),
        layer=params.layer,
        distance=params.distance,
        feature_scale=params.feature_scale,
    )
