"""Adversarial losses: what the discriminator and the generator minimise.

`real` and `fake` are the discriminator's logits for photographs and for the generator's images,
(N,) each; p(x) = sigmoid(x) is its answer, the probability of a photograph. Every loss is a scalar.

    linear          D: (1 - p(real)) + p(fake)                      G: 1 - p(fake)
                    Lal & Javid; least squares' cousin without the square
    bce             D: -log p(real) - log(1 - p(fake))              G: -log p(fake)
                    Goodfellow et al. 2014, non-saturating; Ledig et al. 2017
    hinge           D: max(0, 1 - real) + max(0, 1 + fake)          G: -fake
                    Lim & Ye 2017
    relativistic    bce on real - mean(fake) and fake - mean(real)
                    Jolicoeur-Martineau 2018; ESRGAN (Wang et al. 2018)
"""

from typing import Literal

from torch import Tensor
from torch.nn.functional import relu, softplus

AdversarialName = Literal["linear", "bce", "hinge", "relativistic"]


def discriminator_loss(name: AdversarialName, real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """What the discriminator minimises, as the terms `real` and `fake` that add up to it."""
    match name:
        case "linear":
            return {"real": (1 - real.sigmoid()).mean(), "fake": fake.sigmoid().mean()}
        case "bce":
            return {"real": softplus(-real).mean(), "fake": softplus(fake).mean()}
        case "hinge":
            return {"real": relu(1 - real).mean(), "fake": relu(1 + fake).mean()}
        case "relativistic":
            return {
                "real": softplus(-(real - fake.mean())).mean() / 2,
                "fake": softplus(fake - real.mean()).mean() / 2,
            }


def generator_loss(name: AdversarialName, real: Tensor, fake: Tensor) -> Tensor:
    """What the generator minimises; only `relativistic` looks at `real`."""
    match name:
        case "linear":
            return (1 - fake.sigmoid()).mean()
        case "bce":
            return softplus(-fake).mean()
        case "hinge":
            return -fake.mean()
        case "relativistic":
            towards = softplus(-(fake - real.mean())).mean()
            return (towards + softplus(real - fake.mean()).mean()) / 2
