import pytest
import torch

from srlab.errors import SrlabError
from srlab.losses import content
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.params import TeacherParams
from srlab.symmetries import SYMMETRIES
from srlab.training import teacher as module
from srlab.training.teacher import Teacher, load_teacher
from srlab.upscaling.ensemble import Ensemble
from srlab.zoo.registry import load_registry


def network(seed: int) -> SRResNet:
    torch.manual_seed(seed)
    return SRResNet(
        scale=2, residual_blocks=1, features=4, batch_norm=False, outer_kernel=3, upsampler="direct"
    )


class Plain:
    """The network as an upscaler, so that `Ensemble` takes it."""

    takes_luma = False
    scales = (2,)

    def __init__(self, network: SRResNet) -> None:
        self._network = network

    def __call__(self, lr: torch.Tensor, scale: int) -> torch.Tensor:
        return self._network(lr)


@pytest.mark.parametrize("luma_share", [0.0, 0.7])
def test_on_average_it_pulls_towards_its_self_ensemble(
    luma_share: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    lr = torch.rand(2, 3, 5, 6)
    sr = torch.rand(2, 3, 10, 12, requires_grad=True)
    guide = network(1)
    teacher = Teacher(guide, 3.0, luma_share)
    total = torch.zeros(())
    for symmetry in SYMMETRIES:
        drawn = torch.tensor(symmetry)
        monkeypatch.setattr(module.torch, "randint", lambda *_, drawn=drawn: drawn)
        total = total + teacher.loss(lr, sr) / len(SYMMETRIES)
    (pull,) = torch.autograd.grad(total, sr)
    with torch.no_grad():
        target = Ensemble(Plain(guide))(lr, 2)
    (expected,) = torch.autograd.grad(3 * content(sr, target, "mse", luma_share), sr)
    assert expected.abs().max() > 1e-3
    assert torch.allclose(pull, expected, atol=1e-6)


def test_it_draws_all_symmetries_and_does_not_learn() -> None:
    lr, guide = torch.rand(1, 3, 5, 5), network(1)
    teacher = Teacher(guide, 1.0, 0.0)
    sr = torch.zeros(1, 3, 10, 10, requires_grad=True)
    losses = [teacher.loss(lr, sr) for _ in range(100)]
    assert len({round(loss.item(), 9) for loss in losses}) == len(SYMMETRIES)
    losses[0].backward()
    assert not guide.training
    assert all(parameter.grad is None for parameter in guide.parameters())


def test_a_released_network_teaches() -> None:
    guide, inputs = load_teacher(TeacherParams(model="srresnet", weight=1.0), "srresnet", 4)
    entry = load_registry().entry("srresnet")
    assert entry is not None
    assert inputs == {"teacher_sha256": entry.sha256}
    assert isinstance(guide, SRResNet)
    assert isinstance(load_teacher(TeacherParams(model="memnet", weight=1.0), "memnet")[0], MemNet)
    assert load_teacher(None, "memnet") == (None, {})


@pytest.mark.parametrize(
    ("model", "scale", "complaint"),
    [
        ("srresnt", 4, "srresnet.teacher: srresnt: no such released model; name one of"),
        ("memnet", 4, "srresnet.teacher: memnet is of architecture memnet, not srresnet"),
        ("srresnet", 2, "srresnet enlarges by 4, srresnet.scale is 2; name another model, or"),
    ],
)
def test_what_cannot_teach_is_refused_in_one_line(model: str, scale: int, complaint: str) -> None:
    with pytest.raises(SrlabError) as refused:
        load_teacher(TeacherParams(model=model, weight=1.0), "srresnet", scale)
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)
