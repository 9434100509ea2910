import pytest
import torch
from torch.nn.functional import interpolate

from srlab.models.bicubic_skip import enlarge


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (5, 8), (60, 31), (257, 5)])
def test_it_is_what_torch_does(size: tuple[int, int], scale: int) -> None:
    lr = torch.rand(2, 3, *size)
    expected = interpolate(lr, scale_factor=scale, mode="bicubic", align_corners=False)
    for laid_out in (lr, lr.contiguous(memory_format=torch.channels_last)):
        assert torch.allclose(enlarge(laid_out, scale), expected, rtol=0, atol=1e-6)


def test_it_is_made_in_float32_where_convolutions_compute_in_bf16() -> None:
    lr = torch.rand(1, 3, 24, 24)
    expected = enlarge(lr, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(enlarge(lr, 4), expected)
    assert expected.dtype == enlarge(lr.bfloat16(), 4).dtype == torch.float32


def test_gradients_pass_also_where_validation_asked_first() -> None:
    lr = torch.rand(1, 3, 13, 11)
    with torch.inference_mode():
        enlarge(lr, 4)
    lr.requires_grad_()
    enlarge(lr, 4).sum().backward()
    assert lr.grad is not None
    assert lr.grad.sum().item() == pytest.approx(lr.numel() * 16, rel=1e-5)
