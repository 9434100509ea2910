"""The discriminator of SRGAN: does a patch look like a photograph?

Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial
Network", CVPR 2017, and Lal & Javid, "Image Super-Resolution using Deep Neural Networks".

Letters: N patches, H x W pixels, F features.

Deviations from Ledig et al.:
- the features are averaged over the patch before the dense layers, so that patches of any size are
  accepted; Ledig et al. flatten 6x6 of them, which fixes 96x96;
- dropout in front of both dense layers, which Lal & Javid add;
- the output is the logit. The sigmoid belongs to the loss: `srlab.losses`;
- `batch_norm: false` leaves the norms out.
"""

from torch import Tensor, nn


class Discriminator(nn.Module):
    """RGB patches -> logits: positive for a photograph, negative for what a network made.

    Args:
        features: F of the first layer, 64 in Ledig et al.; doubled three times.
        dense: width of the hidden dense layer, 1024 in Ledig et al.
        batch_norm: a BN behind every convolution but the first.
        dropout: share of the values that are dropped in front of the dense layers.
    """

    def __init__(
        self, *, features: int = 64, dense: int = 1024, batch_norm: bool = True, dropout: float = 0
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, features, 3, padding=1), nn.LeakyReLU(0.2)]
        inputs = features
        for factor, stride in ((1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)):
            outputs = features * factor
            layers.append(
                nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=not batch_norm)
            )
            if batch_norm:
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.LeakyReLU(0.2))
            inputs = outputs
        self.convolutions = nn.Sequential(*layers)
        self.dense = nn.Sequential(
            nn.Dropout(dropout),
            nn.Linear(inputs, dense),
            nn.LeakyReLU(0.2),
            nn.Dropout(dropout),
            nn.Linear(dense, 1),
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, a=0.2)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] -> (N,)."""
        features = self.convolutions(2 * images - 1)  # (N, 8 F, H / 16, W / 16)
        return self.dense(features.mean(dim=(2, 3))).squeeze(1)
