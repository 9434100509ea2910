"""BN and ReLU in one against PyTorch's."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from srlab.models import norm_relu
from srlab.models.memnet import MemNet
from srlab.models.norm_relu import NormReLU
from srlab.native.compiled import NORM_RELU, library

SHAPES = [(2, 16, 1, 1), (3, 32, 5, 7), (4, 48, 31, 31)]


@pytest.fixture
def native() -> None:
    if library(NORM_RELU) is None:
        pytest.skip("no C++ compiler, or SRLAB_NATIVE is 0")


def trained_norm(channels: int) -> NormReLU:
    """One whose weights and statistics are not those that it starts with."""
    norm = NormReLU(channels)
    nn.init.uniform_(norm.weight, -1, 2)
    nn.init.normal_(norm.bias)
    nn.init.normal_(norm.running_mean)
    return norm


def images(count: int, shape: tuple[int, ...], kind: torch.dtype = torch.float32) -> list[Tensor]:
    """Far from a mean of zero, where a variance is hard to compute."""
    return [
        (3 * torch.randn(shape) + 20).to(kind).to(memory_format=torch.channels_last)
        for _ in range(count)
    ]


def results(
    norm: NormReLU, sources: list[Tensor], of_y: Tensor, passed: list[Tensor]
) -> dict[str, Tensor]:
    """Everything that a step of training gives."""
    seen = [source.clone().requires_grad_() for source in sources]
    y, *behind = norm.passing(*seen)
    torch.autograd.backward([y, *behind], [of_y, *passed])
    return (
        {"y": y.detach(), "weight": norm.weight.grad, "bias": norm.bias.grad}
        | {f"x{index}": source.grad for index, source in enumerate(seen)}
        | {name: buffer.clone() for name, buffer in norm.named_buffers()}
    )


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("count", [1, 3])
def test_values_gradients_and_statistics_are_as_near_to_the_truth_as_torchs(
    kind: torch.dtype, shape: tuple[int, ...], count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    sources = images(count, shape, kind)
    norm = trained_norm(count * shape[1])
    of_y = torch.randn_like(torch.cat(sources, dim=1))
    passed = [torch.randn_like(source) for source in sources]
    theirs, exact = copy.deepcopy(norm), copy.deepcopy(norm).double()
    ours = results(norm, sources, of_y, passed)
    monkeypatch.setattr(norm_relu, "library", lambda loops: None)
    torchs = results(theirs, sources, of_y, passed)
    truth = results(
        exact, [x.double() for x in sources], of_y.double(), [x.double() for x in passed]
    )
    assert ours.keys() == torchs.keys()
    for name, value in torchs.items():
        assert (ours[name].dtype, ours[name].shape) == (value.dtype, value.shape)
        error, allowed = (
            (found[name] - truth[name]).double().norm() / truth[name].double().norm()
            for found in (ours, torchs)
        )
        assert error < 1.1 * allowed + 1e-5, f"{name}: {error}, torch {allowed}"


@pytest.mark.usefixtures("native", "threads")
def test_the_same_comes_out_every_time_and_nearly_so_for_other_threads() -> None:
    torch.manual_seed(0)
    norm, sources = trained_norm(64), images(2, (3, 32, 29, 31))
    of_y = torch.randn_like(torch.cat(sources, dim=1))
    passed = [torch.zeros_like(source) for source in sources]
    found = []
    for count in (2, 2, 1, 3):
        torch.set_num_threads(count)
        found.append(results(copy.deepcopy(norm), sources, of_y, passed))
    first, again, *others = found
    for name, value in first.items():
        assert torch.equal(value, again[name]), name
        for other in others:
            torch.testing.assert_close(other[name], value, rtol=1e-4, atol=1e-4)


@pytest.mark.usefixtures("native")
def test_not_a_number_stays_one() -> None:
    (image,) = images(1, (2, 16, 4, 4))
    image[0, 3, 1, 1] = float("nan")
    y = NormReLU(16)(image)
    assert y[:, 3].isnan().all()
    assert y[:, :3].isfinite().all()


@pytest.mark.usefixtures("native")
def test_a_gradient_that_nobody_asks_for_is_left_out() -> None:
    (image,) = (image.requires_grad_() for image in images(1, (2, 16, 4, 4)))
    _, passed = NormReLU(16).passing(image)
    passed.sum().backward()
    assert torch.equal(image.grad, torch.ones_like(image))
    image.grad = None
    NormReLU(16)(image).sum().backward()
    assert image.grad.isfinite().all()


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("gate", [1, 3])
def test_memnet_learns_the_same_with_and_without(
    gate: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = MemNet(memory_blocks=2, residual_units=2, features=16, gate_kernel=gate)
    nn.init.normal_(network.reconstruction.weight, std=0.1)
    network.to(memory_format=torch.channels_last)
    seen, truth = torch.rand(2, 4, 1, 13, 11)
    gradients = []
    for _ in range(2):
        copied = copy.deepcopy(network).train()
        (copied(seen) - truth).square().mean().backward()
        gradients.append({name: value.grad for name, value in copied.named_parameters()})
        monkeypatch.setattr(norm_relu, "library", lambda loops: None)
    for name, expected in gradients[1].items():
        torch.testing.assert_close(gradients[0][name], expected, rtol=1e-3, atol=1e-6, msg=name)


@pytest.mark.parametrize(
    "image",
    [
        torch.rand(2, 16, 4, 4),  # channels first
        torch.rand(2, 8, 4, 4).to(memory_format=torch.channels_last),
        torch.rand(2, 16, 4, 4).double().to(memory_format=torch.channels_last),
        torch.rand(2, 16, 4, 4, device="meta").to(memory_format=torch.channels_last),
    ],
    ids=["layout", "channels", "type", "device"],
)
def test_what_the_loops_do_not_know_goes_torchs_way(image: Tensor) -> None:
    norm = NormReLU(image.shape[1]).to(image.device, image.dtype)
    y = norm(image.requires_grad_())
    assert y.grad_fn.name() == "ReluBackward0"
    assert norm.num_batches_tracked.device.type == "meta" or norm.num_batches_tracked == 1


def test_a_single_pixel_is_refused_as_by_torch() -> None:
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        NormReLU(16)(torch.rand(1, 16, 1, 1))


def test_an_exporter_sees_torchs_own() -> None:
    program = torch.export.export(NormReLU(16), (torch.rand(2, 16, 4, 4),))
    called = [node.target for node in program.graph.nodes if node.op == "call_function"]
    assert torch.ops.aten.relu_.default in called


@pytest.mark.usefixtures("native")
def test_torchs_own_threads_compute() -> None:
    maps = Path("/proc/self/maps").read_text().splitlines()
    assert len({line.split()[-1] for line in maps if "gomp" in line}) == 1
