import math

import pytest
import torch
from torch import Tensor

from srlab.adversarial import discriminator_loss, generator_loss

REAL, FAKE = torch.tensor([2.0, 0.5]), torch.tensor([-1.0, 0.25])


def p(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def mean(*values: float) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize(
    ("name", "real", "fake", "generator"),
    [
        (
            "linear",
            mean(1 - p(2), 1 - p(0.5)),
            mean(p(-1), p(0.25)),
            mean(1 - p(-1), 1 - p(0.25)),
        ),
        (
            "bce",
            -mean(math.log(p(2)), math.log(p(0.5))),
            -mean(math.log(1 - p(-1)), math.log(1 - p(0.25))),
            -mean(math.log(p(-1)), math.log(p(0.25))),
        ),
        ("hinge", mean(0, 0.5), mean(0, 1.25), mean(1, -0.25)),
        (
            "relativistic",
            -mean(math.log(p(2 + 0.375)), math.log(p(0.5 + 0.375))) / 2,
            -mean(math.log(1 - p(-1 - 1.25)), math.log(1 - p(0.25 - 1.25))) / 2,
            -mean(
                math.log(p(-1 - 1.25)),
                math.log(p(0.25 - 1.25)),
                math.log(1 - p(2 + 0.375)),
                math.log(1 - p(0.5 + 0.375)),
            ),
        ),
    ],
)
def test_the_losses_by_hand(name, real: float, fake: float, generator: float) -> None:
    terms = discriminator_loss(name, REAL, FAKE)
    assert terms["real"].item() == pytest.approx(real, abs=1e-6)
    assert terms["fake"].item() == pytest.approx(fake, abs=1e-6)
    assert generator_loss(name, REAL, FAKE).item() == pytest.approx(generator, abs=1e-6)


@pytest.mark.parametrize("name", ["linear", "bce", "hinge", "relativistic"])
def test_the_two_pull_in_opposite_directions(name) -> None:
    def gradients(loss: Tensor, *logits: Tensor) -> list[Tensor]:
        return list(torch.autograd.grad(loss, logits))

    real, fake = (x.clone().requires_grad_() for x in (REAL * 0.1, FAKE * 0.1))
    terms = discriminator_loss(name, real, fake)
    of_real, of_fake = gradients(terms["real"] + terms["fake"], real, fake)
    assert (of_real < 0).all()  # descending raises the answer to photographs
    assert (of_fake > 0).all()
    (wanted,) = gradients(generator_loss(name, real.detach(), fake), fake)
    assert (wanted < 0).all()
