"""Every training path, and enlarging, on a CUDA GPU; skipped where there is none."""

import copy
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import make_photo
from test_backbones import alexnet_state
from test_resume import Crash, CrashingFolder
from test_srgan import with_terms
from test_training import Recorder
from torch import nn

import srlab
from srlab.backbones import Backbone
from srlab.data.images import write_png
from srlab.data.patches import cut
from srlab.inference.folded import fold
from srlab.models.memnet import MemNet
from srlab.models.srresnet import SRResNet
from srlab.params import Params, TeacherParams
from srlab.perceptual import PerceptualLoss
from srlab.training import memnet, srgan, srresnet
from srlab.training.batches import PatchBatches
from srlab.training.checkpoints import Checkpoints, NoCheckpoints
from srlab.training.cuda_graphs import GraphedMethod
from srlab.training.device_batches import DeviceBatches, fits_on
from srlab.training.fabric import launch
from srlab.training.loss_log import LossLog
from srlab.training.teacher import load_teacher

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA GPU")

STEPS = 40


@pytest.fixture(scope="module")
def patches(smoke: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cuda")
    (root / "raw").mkdir()
    for index in range(6):
        write_png(root / "raw" / f"{index}.png", make_photo(128, 128, seed=index))
    for name in ("memnet", "srgan"):
        params = getattr(smoke.patches, name).model_copy(update={"patch_size": 32, "stride": 32})
        cut(params, [root / "raw"], root / name)
    return root


def on_gpu(smoke: Params, section: str, trainer: dict[str, Any], **changes: Any) -> Params:
    """The smoke profile on the GPU, for longer, with changes in a section."""
    own = getattr(smoke, section)
    budget = own.budget.model_copy(update={"steps": STEPS})
    return smoke.model_copy(
        update={
            "trainer": smoke.trainer.model_copy(update={"accelerator": "cuda", **trainer}),
            section: own.model_copy(update={"budget": budget, **changes}),
        }
    )


def train(
    params: Params,
    section: str,
    patches: Path,
    run: Recorder,
    checkpoints: Checkpoints | None = None,
) -> nn.Module:
    fabric = launch(params.trainer)
    assert fabric.device.type == "cuda"
    kept = checkpoints or NoCheckpoints()
    if section == "memnet":
        own = params.memnet, params.patches.memnet, params.trainer, patches / "memnet"
        teacher, _ = load_teacher(params.memnet.teacher, "memnet")
        return memnet.fit(*own, run, fabric, kept, teacher=teacher)
    own_gan = params.patches.srgan, params.trainer, patches / "srgan"
    if section == "srresnet":
        teacher, _ = load_teacher(params.srresnet.teacher, "srresnet", params.srresnet.scale)
        return srresnet.fit(params.srresnet, *own_gan, run, fabric, kept, teacher=teacher)
    torch.manual_seed(0)
    generator = SRResNet(**srresnet.architecture(params.srresnet))
    perceptual = PerceptualLoss(
        Backbone("alexnet", alexnet_state()), layer="relu2", distance="mse", feature_scale=1.0
    )
    return srgan.fit(params.srgan, *own_gan, generator, perceptual, run, fabric, kept)


def losses(run: Recorder) -> np.ndarray:
    return np.array(
        [metrics["loss/total"] for _, metrics in run.metrics if "loss/total" in metrics]
    )


@pytest.mark.parametrize("trainer", [{"precision": "float32"}, {"precision": "bf16"}], ids=str)
@pytest.mark.parametrize(
    ("section", "changes"),
    [
        ("memnet", {}),
        ("memnet", {"supervision": "multi", "gate_kernel": 3, "share_weights": True}),
        ("memnet", {"loss": "half_sum_squared"}),
        ("memnet", {"teacher": TeacherParams(model="memnet", weight=1.0)}),
        ("srresnet", {}),
        ("srresnet", {"luma": 0.8, "teacher": TeacherParams(model="srresnet", weight=1.0)}),
        ("srresnet", {"batch_norm": True, "upsampler": "stages", "outer_kernel": 9}),
    ],
    ids=lambda value: str(value),
)
def test_supervised_training_learns(
    smoke: Params, patches: Path, section: str, changes: dict, trainer: dict
) -> None:
    run = Recorder()
    network = train(on_gpu(smoke, section, trainer, **changes), section, patches, run)
    assert np.isfinite(losses(run)).all()
    assert next(network.parameters()).device.type == "cpu"
    first, last = np.array_split(losses(run), [STEPS // 2])
    assert last.mean() < first.mean()


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("loss", ["bce", "linear", "relativistic"])
def test_adversarial_training_runs(smoke: Params, patches: Path, loss: str, precision: str) -> None:
    params = on_gpu(with_terms(smoke, loss=loss), "srgan", {"precision": precision})
    run = Recorder()
    network = train(params, "srgan", patches, run)
    assert all(np.isfinite(list(metrics.values())).all() for _, metrics in run.metrics)
    assert not torch.isnan(torch.cat([p.flatten() for p in network.parameters()])).any()


def test_ddp_over_nccl_runs(smoke: Params, patches: Path) -> None:
    params = on_gpu(smoke, "memnet", {"strategy": "ddp"})
    run = Recorder()
    train(params, "memnet", patches, run)
    assert np.isfinite(losses(run)).all()


@pytest.mark.parametrize("section", ["memnet", "srresnet"])
@pytest.mark.parametrize(
    "trainer", [{"cuda_graphs": True}, {"compile": True}, {"cuda_graphs": True, "compile": True}]
)
def test_faster_training_follows_the_plain_one(
    smoke: Params, patches: Path, section: str, trainer: dict
) -> None:
    plain = {"cuda_graphs": False, "compile": False, "precision": "bf16"}
    curves, networks = [], []
    for changes in (plain, plain | trainer):
        run = Recorder()
        params = on_gpu(smoke, section, changes, ema_decay=0.0)
        networks.append(train(params, section, patches, run))
        curves.append(losses(run))
    assert np.abs(curves[0] - curves[1]).max() < 0.02 * curves[0].max()
    for one, other in zip(*(network.buffers() for network in networks), strict=True):
        assert torch.allclose(one, other, rtol=0.05, atol=2e-2)


def test_a_recorded_method_computes_the_same() -> None:
    torch.manual_seed(0)
    network = MemNet(memory_blocks=2, residual_units=2, features=8).cuda()
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    twin = copy.deepcopy(network)
    graphed = GraphedMethod(network, "outputs")
    for _ in range(4):
        images = torch.rand(3, 1, 20, 24, device="cuda")
        for module, call in ((network, graphed), (twin, twin.outputs)):
            module.zero_grad()
            call(images)[0].square().mean().backward()
        for (name, one), other in zip(network.named_parameters(), twin.parameters(), strict=True):
            assert torch.allclose(one.grad, other.grad, rtol=1e-2, atol=1e-5), name
        for one, other in zip(network.buffers(), twin.buffers(), strict=True):
            assert torch.allclose(one, other, rtol=1e-3, atol=1e-5)


def test_other_shapes_and_evaluation_are_not_replayed() -> None:
    torch.manual_seed(0)
    network = MemNet(memory_blocks=1, residual_units=1, features=8).cuda()
    nn.init.normal_(network.reconstruction.weight, std=0.1)
    graphed = GraphedMethod(network, "outputs")
    graphed(torch.rand(2, 1, 16, 16, device="cuda"))
    larger = torch.rand(1, 1, 40, 24, device="cuda")
    assert graphed(larger)[0].shape == larger.shape
    network.eval()
    seen = torch.rand(2, 1, 16, 16, device="cuda")
    assert torch.equal(graphed(seen)[0], network.outputs(seen)[0])


def test_bf16_follows_float32(smoke: Params, patches: Path) -> None:
    curves = []
    for precision in ("float32", "bf16"):
        run = Recorder()
        train(on_gpu(smoke, "srresnet", {"precision": precision}), "srresnet", patches, run)
        curves.append(losses(run))
    assert np.abs(curves[0] - curves[1]).max() < 0.02 * curves[0].max()


@pytest.mark.parametrize("section", ["memnet", "srresnet", "srgan"])
def test_training_goes_on_from_a_checkpoint(
    smoke: Params, patches: Path, tmp_path: Path, section: str
) -> None:
    params = on_gpu(smoke, section, {})
    whole = train(params, section, patches, Recorder())
    crashing = CrashingFolder(tmp_path / "train-1", crash_after=STEPS // 2)
    with pytest.raises(Crash):
        train(params, section, patches, Recorder(), crashing)
    crashing.close()
    run = Recorder()
    again = CrashingFolder(tmp_path / "train-1", crash_after=10 * STEPS)
    resumed = train(params, section, patches, run, again)
    again.close()
    assert min(step for step, _ in run.metrics) >= STEPS // 2 - 2
    # Not the same bits: on a GPU, sums are made in any order.
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.allclose(one, other, atol=2e-2)


def test_steps_of_a_checkpoint_are_logged_with_those_after_it() -> None:
    run = Recorder()
    log = LossLog(run, steps=4000)
    log.load_state_dict({"pending": [(0, {"loss/total": torch.tensor(1.0)})], "rate": 0.1})
    log.add(1, {"loss/total": torch.tensor(3.0, device="cuda")}, 0.1)
    assert log.flush({}) == 2.0


@pytest.mark.parametrize("section", ["memnet", "srgan"])
def test_the_gpu_gathers_the_batches_of_the_disk(patches: Path, section: str) -> None:
    batches = PatchBatches(patches / section, batch=7, augment=True, seed=3)
    device = torch.device("cuda", 0)
    assert fits_on(device, batches)
    made = itertools.islice(DeviceBatches(batches, device).steps(0, None), 20)
    for step, batch in enumerate(made):
        assert all(b.device.type == "cuda" for b in batch)
        assert all(torch.equal(a.cpu(), b) for a, b in zip(batch, batches[step], strict=True))


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (MemNet(memory_blocks=2, residual_units=2, features=8), (1, 1, 40, 56)),
        (SRResNet(scale=4, residual_blocks=2, features=8), (1, 3, 24, 31)),
    ],
)
def test_folded_networks_compute_there_what_they_do_here(network: nn.Module, shape: tuple) -> None:
    torch.manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.1)
    image = torch.rand(shape)
    with torch.inference_mode():
        here = fold(network.eval())(image)
        there = fold(network.eval()).cuda()(image.cuda()).cpu()
    assert (here - there).abs().max() < 1e-3 * here.abs().max()


@pytest.mark.parametrize("name", ["memnet", "srresnet", "srgan"])
@pytest.mark.parametrize("tile", [None, 128])
def test_released_models_enlarge_alike(name: str, tile: int | None) -> None:
    photo = make_photo(90, 140)  # larger than a tile for SRResNet, which sees low resolution
    results = [
        srlab.load(name, device=device).upscale(photo, scale=4, tile=tile).astype(int)
        for device in ("cpu", "cuda")
    ]
    assert np.abs(results[0] - results[1]).max() <= 2
