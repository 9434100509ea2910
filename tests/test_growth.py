import pytest
import torch
from torch import nn

from srlab.models.growth import grown_memnet, grown_srresnet
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet


def learned(**sizes: int) -> MemNet:
    """A network whose weights and statistics are none of those that it begins with."""
    network = MemNet(memory_blocks=2, features=4, **sizes)
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point():
            drawn = torch.rand_like(tensor) + 0.5
            tensor.copy_(drawn if "norm" in name and tensor.ndim == 1 else drawn - 1)
    return network


def assert_same(small: nn.Module, large: nn.Module, images: torch.Tensor) -> None:
    expected = small(images)
    tolerance = 1e-5 * float(expected.detach().abs().max())
    assert torch.allclose(large(images), expected, atol=tolerance)


def unmoved(network: nn.Module, seen: torch.Size, rate: float) -> list[str]:
    """Parameters that some steps on noise of that size leave as they are."""
    optimizer = torch.optim.SGD(network.parameters(), lr=rate)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    for _ in range(6):
        optimizer.zero_grad()
        sr = network(torch.rand(seen))
        nn.functional.mse_loss(sr, torch.rand(sr.shape)).backward()
        optimizer.step()
    return [name for name, p in network.named_parameters() if torch.equal(p, before[name])]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "sizes",
    [
        {"residual_units": 2, "gate_kernel": 1},
        {"residual_units": 4, "gate_kernel": 1},
        {"residual_units": 2, "gate_kernel": 3},
        {"residual_units": 3, "gate_kernel": 3},
    ],
    ids=str,
)
def test_the_larger_network_computes_the_same(sizes: dict[str, int], training: bool) -> None:
    torch.manual_seed(0)
    small = learned(residual_units=2, gate_kernel=1).train(training)
    large = MemNet(memory_blocks=2, features=4, **sizes)
    large.load_state_dict(grown_memnet(small.state_dict(), large))
    assert_same(small, large.train(training), torch.rand(2, 1, 9, 12))


def test_what_is_new_learns() -> None:
    torch.manual_seed(0)
    small = learned(residual_units=1, gate_kernel=1)
    large = MemNet(memory_blocks=2, features=4, residual_units=3, gate_kernel=3)
    large.load_state_dict(grown_memnet(small.state_dict(), large))
    assert not unmoved(large, torch.Size([2, 1, 9, 12]), rate=0.5)


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("blocks", [2, 5])
def test_the_larger_srresnet_computes_the_same(
    blocks: int, batch_norm: bool, training: bool
) -> None:
    torch.manual_seed(0)
    sizes = {"scale": 2, "features": 4, "batch_norm": batch_norm}
    small = SRResNet(residual_blocks=2, **sizes).train(training)
    for tensor in small.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) + 0.5)
    large = SRResNet(residual_blocks=blocks, **sizes)
    large.load_state_dict(grown_srresnet(small.state_dict(), large))
    assert_same(small, large.train(training), torch.rand(2, 3, 9, 12))


def test_what_is_new_in_an_srresnet_learns() -> None:
    torch.manual_seed(0)
    small = SRResNet(scale=2, residual_blocks=1, features=4, batch_norm=False)
    large = SRResNet(scale=2, residual_blocks=3, features=4, batch_norm=False)
    large.load_state_dict(grown_srresnet(small.state_dict(), large))
    assert not unmoved(large, torch.Size([2, 3, 9, 12]), rate=0.1)


def test_a_network_of_the_same_size_takes_the_state_as_it_is() -> None:
    shared = MemNet(memory_blocks=2, residual_units=2, features=4, share_weights=True)
    other = MemNet(memory_blocks=2, residual_units=2, features=4, share_weights=True)
    state = grown_memnet(shared.state_dict(), other)
    assert state.keys() == shared.state_dict().keys()
    assert all(torch.equal(state[name], t) for name, t in shared.state_dict().items())
