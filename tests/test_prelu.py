"""PReLU against torch's own."""

import pytest
import torch
from torch import nn

from srlab.models.prelu import PReLU


def pair(slope: float) -> tuple[PReLU, nn.PReLU]:
    """srlab's and torch's, with the same state."""
    ours, theirs = PReLU(), nn.PReLU()
    nn.init.constant_(ours.weight, slope)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("slope", [0.25, 0.0, -0.5, 1.5])
def test_values_and_gradients_are_torchs(slope: float) -> None:
    torch.manual_seed(0)
    images = torch.randn(2, 5, 7, 6).to(memory_format=torch.channels_last)
    gradient = torch.randn_like(images)
    results = []
    for module in pair(slope):
        x = images.clone().requires_grad_()
        y = module(x)
        y.backward(gradient)
        results.append((y.detach(), x.grad, module.weight.grad))
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_in_bf16_gradients_are_as_near_to_the_truth_as_torchs() -> None:
    torch.manual_seed(0)
    images, gradient = torch.randn(2, 8, 48, 24, 24).bfloat16()
    errors = []
    for module in pair(0.25):
        x = images.clone().requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            y = module(x)
        assert y.dtype == torch.bfloat16
        y.backward(gradient)
        assert module.weight.grad is not None
        assert module.weight.grad.dtype == torch.float32
        truth = (images.double().clamp_max(0) * gradient.double()).sum()
        errors.append((module.weight.grad - truth).abs().item() / abs(truth.item()))
    assert errors[0] < max(2 * errors[1], 0.01)


def test_not_a_number_stays_one() -> None:
    assert PReLU()(torch.tensor([float("nan"), -4.0])).isnan().tolist() == [True, False]


def test_a_compiler_sees_torchs_own() -> None:
    ours, theirs = pair(0.25)
    x = torch.randn(2, 3, 4, 4)
    program = torch.export.export(ours, (x,))
    assert [node.target for node in program.graph.nodes if node.op == "call_function"] == [
        torch.ops.aten.prelu.default
    ]
    torch.testing.assert_close(program.module()(x), theirs(x))
