import pytest
import torch
from torch import nn

from srlab.losses import half_sum_squared, supervised
from srlab.models.memnet import MemNet, layers


def count(**settings) -> tuple[int, int]:
    """All parameters, and those of convolutions."""
    network = MemNet(features=64, **settings)
    convolutions = {
        p for m in network.modules() if isinstance(m, nn.Conv2d) for p in m.parameters()
    }
    return sum(p.numel() for p in network.parameters()), sum(p.numel() for p in convolutions)


def test_m6r6_has_the_papers_parameters() -> None:
    m6r6 = {"memory_blocks": 6, "residual_units": 6}
    total, convolutions = count(**m6r6, gate_kernel=1)
    assert round(total / 1e6, 2) == 2.91
    total, convolutions = count(**m6r6, gate_kernel=3)
    assert convolutions == 72 * 36_864 + 9 * 64 * 64 * 57 + 2 * 576
    assert round(total / 1e6, 2) == 4.77
    total, convolutions = count(**m6r6, gate_kernel=1, share_weights=True)
    assert convolutions == 12 * 36_864 + 64 * 64 * 57 + 2 * 576
    assert round(convolutions / 1e6, 2) == 0.68


@pytest.mark.parametrize(("m", "r", "expected"), [(6, 6, 80), (4, 4, 38), (3, 3, 23)])
def test_layers_are_as_the_paper_counts_them(m: int, r: int, expected: int) -> None:
    assert layers(memory_blocks=m, residual_units=r) == expected
    network = MemNet(memory_blocks=m, residual_units=r, features=1)
    assert sum(isinstance(x, nn.Conv2d) for x in network.modules()) == expected


@pytest.mark.parametrize("supervision", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (7, 5), (31, 31), (13, 40)])
def test_the_untrained_network_is_the_enlarged_image(size, supervision: bool) -> None:
    network = MemNet(
        memory_blocks=2, residual_units=1, features=4, multi_supervision=supervision
    ).eval()
    enlarged = torch.rand(2, 1, *size)
    assert torch.allclose(network(enlarged), enlarged, atol=1e-6)


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("gate", [1, 3])
@pytest.mark.parametrize("supervision", ["single", "multi"])
def test_two_steps_move_every_weight_and_stay_finite(share, gate, supervision) -> None:
    torch.manual_seed(0)
    network = MemNet(
        memory_blocks=2,
        residual_units=2,
        features=4,
        gate_kernel=gate,
        share_weights=share,
        multi_supervision=supervision == "multi",
    )
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    # Three: the zeroed convolution moves first, what stands before it next, the averaging weights
    # once the outputs differ.
    for _ in range(3):
        enlarged, hr = torch.rand(4, 1, 12, 12), torch.rand(4, 1, 12, 12)
        outputs = network.outputs(enlarged)
        average = network.average(outputs) if supervision == "multi" else None
        total = sum(supervised(outputs, average, hr, "half_sum_squared").values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        assert torch.isfinite(total)
    for name, p in network.named_parameters():
        assert torch.isfinite(p).all(), name
        assert not torch.equal(p, before[name]), f"{name} did not move"


def test_the_average_of_equal_outputs_is_that_output_whatever_the_weights() -> None:
    network = MemNet(memory_blocks=3, residual_units=1, features=2, multi_supervision=True)
    with torch.no_grad():
        network.output_weights.copy_(torch.tensor([0.1, 0.7, 0.4]))
    image = torch.rand(1, 1, 5, 5)
    assert torch.allclose(network.average([image] * 3), image)


def test_the_papers_loss_by_hand() -> None:
    # Two images with errors 1 and 2 on each of 4 pixels: (4 * 1 + 4 * 4) / (2 * 2) = 5.
    sr = torch.stack([torch.ones(1, 2, 2), torch.full((1, 2, 2), 2.0)])
    assert half_sum_squared(sr, torch.zeros_like(sr)).item() == 5


def test_multi_supervision_weighs_by_alpha() -> None:
    # m = 3, alpha = 1/4: a quarter of the average's loss, three quarters of the outputs' mean.
    hr = torch.zeros(1, 1, 1, 1)
    outputs = [torch.full_like(hr, value) for value in (1.0, 2.0, 3.0)]
    terms = supervised(outputs, torch.full_like(hr, 2.0), hr, "mse")
    assert terms["content"].item() == pytest.approx(4 / 4)
    assert terms["intermediate"].item() == pytest.approx(3 / 4 * (1 + 4 + 9) / 3)


def test_shared_weights_are_shared_but_not_their_norms() -> None:
    block = MemNet(memory_blocks=1, residual_units=3, features=2, share_weights=True).blocks[0]
    assert block.units[0].convolutions[1] is block.units[2].convolutions[1]
    assert block.units[0].norms[0] is not block.units[2].norms[0]
