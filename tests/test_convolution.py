"""The gradients of a convolution's weights against PyTorch's."""

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from srlab.models import convolution
from srlab.models.convolution import Convolution, weight_gradient
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.native.compiled import WEIGHT_GRADIENT, library

SHAPES = [  # N, C, D, H, W
    (1, 32, 16, 1, 1),
    (2, 64, 32, 2, 3),
    (3, 32, 48, 7, 6),
    (2, 96, 16, 31, 31),
    (1, 64, 64, 9, 400),  # in several blocks of rows
]


@pytest.fixture
def native() -> None:
    if library(WEIGHT_GRADIENT) is None:
        pytest.skip("no C++ compiler, SRLAB_NATIVE is 0, or not a processor that this is for")


def images(*shape: int) -> Tensor:
    """Of a mean that is not zero, like what has passed a ReLU."""
    return (torch.randn(shape) + 0.5).bfloat16().to(memory_format=torch.channels_last)


def step(layer: nn.Module, x: Tensor, of_y: Tensor) -> dict[str, Tensor]:
    """What comes out of a convolution, and all gradients, as in training with bf16."""
    seen = x.clone().requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(seen)
    y.backward(of_y)
    gradients = {name: parameter.grad for name, parameter in layer.named_parameters()}
    return {"y": y.detach(), "x": seen.grad, **gradients}


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("bias", [True, False])
def test_gradients_are_nearer_to_the_truth_than_torchs(
    kernel: int, shape: tuple[int, ...], bias: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    count, inputs, outputs, *sides = shape
    layer = Convolution(inputs, outputs, kernel, bias=bias).to(memory_format=torch.channels_last)
    x, of_y = images(count, inputs, *sides), images(count, outputs, *sides)
    ours = step(copy.deepcopy(layer), x, of_y)
    monkeypatch.setattr(convolution, "library", lambda loops: None)
    torchs = step(copy.deepcopy(layer), x, of_y)
    truth = {
        "weight": torch.nn.grad.conv2d_weight(
            x.double(), layer.weight.shape, of_y.double(), padding=kernel // 2
        ),
        "bias": of_y.double().sum(dim=(0, 2, 3)),
    }
    assert ours.keys() == torchs.keys() == {"x", "y", "weight", *(["bias"] if bias else [])}
    for name, value in torchs.items():
        assert (ours[name].dtype, ours[name].shape) == (value.dtype, value.shape)
        if name in ("x", "y"):
            assert torch.equal(ours[name], value)
            continue
        error, allowed = (
            (found[name] - truth[name]).norm() / truth[name].norm() for found in (ours, torchs)
        )
        assert error < 2e-6
        assert error <= allowed


@pytest.mark.usefixtures("native", "threads")
@pytest.mark.parametrize("kernel", [1, 3])
def test_the_same_comes_out_every_time_and_nearly_so_for_other_threads(kernel: int) -> None:
    torch.manual_seed(0)
    x, of_y = images(3, 64, 29, 31), images(3, 32, 29, 31)
    found = []
    for count in (2, 2, 1, 7):
        torch.set_num_threads(count)
        found.append(weight_gradient(x, of_y, kernel))
    first, again, *others = found
    for one, two in zip(first, again, strict=True):
        assert torch.equal(one, two)
    for other in others:
        torch.testing.assert_close(other, first, rtol=1e-4, atol=1e-2)


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize(
    "network",
    [
        lambda: MemNet(memory_blocks=2, residual_units=2, features=32),
        lambda: MemNet(memory_blocks=1, residual_units=2, features=16, gate_kernel=3),
        lambda: SRResNet(scale=2, residual_blocks=2, features=16, batch_norm=False),
        lambda: SRResNet(scale=3, residual_blocks=2, features=16, outer_kernel=3),
    ],
    ids=["memnet", "memnet with 3x3 gates", "srresnet", "srresnet with bn"],
)
def test_networks_learn_the_same_with_and_without(network, monkeypatch) -> None:
    torch.manual_seed(0)
    first = network().to(memory_format=torch.channels_last).train()
    for parameter in first.parameters():
        if not parameter.any():  # a last convolution, behind which no gradient would pass
            nn.init.normal_(parameter, std=0.1)
    second = copy.deepcopy(first)
    seen = torch.rand(4, 3 if isinstance(first, SRResNet) else 1, 13, 11)
    asked = []
    monkeypatch.setattr(
        convolution,
        "weight_gradient",
        lambda *arguments: asked.append(arguments) or weight_gradient(*arguments),
    )
    for copied in (first, second):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            copied(seen.to(memory_format=torch.channels_last)).float().square().mean().backward()
        monkeypatch.setattr(convolution, "library", lambda loops: None)
    eligible = [
        module
        for module in first.modules()
        if isinstance(module, Convolution)
        and module.in_channels % 16 == module.out_channels % 16 == 0
    ]
    assert len(asked) == len(eligible) > 2
    for (name, ours), torchs in zip(first.named_parameters(), second.parameters(), strict=True):
        difference = (ours.grad - torchs.grad).norm() / torchs.grad.norm()
        assert difference < 0.02, f"{name}: {difference}"


@pytest.mark.parametrize(
    ("image", "outputs", "kernel"),
    [
        (torch.rand(2, 32, 4, 4).bfloat16(), 16, 3),
        (images(2, 24, 4, 4), 16, 3),
        (images(2, 16, 4, 4), 16, 1),
        (images(2, 32, 4, 4), 24, 3),
        (images(2, 32, 8, 8), 16, 5),
    ],
    ids=["layout", "inputs", "inputs of 1x1", "outputs", "kernel"],
)
def test_what_the_loops_do_not_know_goes_torchs_way(image, outputs, kernel) -> None:
    layer = Convolution(image.shape[1], outputs, kernel)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(image)
    assert y.grad_fn.name() == "ConvolutionBackward0"


def test_in_float32_and_where_nobody_asks_for_gradients_torch_convolves() -> None:
    layer, image = Convolution(32, 16, 3), torch.rand(2, 32, 4, 4)
    assert layer(image).grad_fn.name() == "ConvolutionBackward0"
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16):
        y = layer(image.bfloat16().to(memory_format=torch.channels_last))
    assert y.grad_fn is None
    frozen = layer.requires_grad_(False)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert frozen(images(2, 32, 4, 4).requires_grad_()).grad_fn.name().startswith("Conv")


@pytest.mark.usefixtures("native")
def test_a_second_derivative_is_refused_in_words() -> None:
    layer, image = Convolution(32, 16, 3), images(2, 32, 4, 4).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        (gradient,) = torch.autograd.grad(layer(image).square().sum(), image, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_an_exporter_sees_torchs_own() -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        program = torch.export.export(Convolution(32, 16, 3), (images(2, 32, 4, 4),))
    called = [node.target for node in program.graph.nodes if node.op == "call_function"]
    assert not [target for target in called if "_Convolve" in str(target)]


def test_a_convolution_keeps_the_size_and_has_torchs_parameters() -> None:
    torch.manual_seed(0)
    ours = Convolution(3, 5, 9)
    torch.manual_seed(0)
    torchs = nn.Conv2d(3, 5, 9, padding=4)
    assert ours.state_dict().keys() == torchs.state_dict().keys()
    image = torch.rand(2, 3, 10, 11)
    assert torch.equal(ours(image), torchs(image))
    assert torch.equal(ours(image), conv2d(image, ours.weight, ours.bias, padding=4))
