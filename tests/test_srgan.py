import copy
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_photo
from test_backbones import alexnet_state
from test_training import Recorder

from srlab.backbones import Backbone
from srlab.data.color import luma
from srlab.data.images import write_png
from srlab.data.patches import cut
from srlab.errors import SrlabError
from srlab.inference.strength import blend, load_blend
from srlab.losses import content, grid, log_error
from srlab.metrics.psnr import psnr
from srlab.models.srresnet import SRResNet
from srlab.params import CollapseParams, GridParams, Params
from srlab.perceptual import PerceptualLoss
from srlab.tracking import SilentRun
from srlab.training import srgan, srresnet
from srlab.training.checkpoints import NoCheckpoints
from srlab.training.collapse import CollapseWatch
from srlab.training.fabric import launch
from srlab.training.loss_log import LossLog
from srlab.training.srgan import AdversarialTrainee, _from_phase
from srlab.training.validation import load_validation
from srlab.weights import load_srresnet, make_card, save_weights


@pytest.fixture
def patches(smoke: Params, tmp_path: Path) -> Path:
    folder = tmp_path / "raw" / "made"
    folder.mkdir(parents=True)
    for index in range(6):
        write_png(folder / f"{index}.png", make_photo(128, 128, seed=index))
    params = smoke.patches.srgan.model_copy(update={"patch_size": 32, "stride": 32})
    cut(params, [folder], tmp_path / "patches")
    return tmp_path / "patches"


@pytest.fixture
def generator(smoke: Params) -> SRResNet:
    torch.manual_seed(0)
    return SRResNet(**srresnet.architecture(smoke.srresnet))


@pytest.fixture(scope="module")
def perceptual() -> PerceptualLoss:
    backbone = Backbone("alexnet", alexnet_state())
    return PerceptualLoss(backbone, layer="relu2", distance="mse", feature_scale=1.0)


def changed(params: Params, section: str = "srgan", **values) -> Params:
    return params.model_copy(update={section: getattr(params, section).model_copy(update=values)})


def with_terms(params: Params, loss: str = "bce", lambda1: float = 0.1, lambda2: float = 0.1):
    adversarial = params.srgan.adversarial.model_copy(update={"loss": loss, "lambda2": lambda2})
    return changed(
        params,
        adversarial=adversarial,
        perceptual=params.srgan.perceptual.model_copy(update={"lambda1": lambda1}),
    )


def trainee(params: Params, patches: Path, generator, perceptual, run=None) -> AdversarialTrainee:
    fabric = launch(params.trainer)
    pairs = load_validation(params.patches.srgan, patches)
    run = run or SilentRun()
    return AdversarialTrainee(
        params.srgan, params.trainer, generator, perceptual, pairs, run, fabric
    )


def train(
    params: Params, patches: Path, generator, perceptual, run=None, checkpoints=None
) -> SRResNet:
    fabric = launch(params.trainer)
    own = params.srgan, params.patches.srgan, params.trainer
    run, checkpoints = run or SilentRun(), checkpoints or NoCheckpoints()
    return srgan.fit(*own, patches, generator, perceptual, run, fabric, checkpoints)


def one_batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    random = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randint(0, 256, (4, 3, side, side), dtype=torch.uint8, generator=random)
        for side in (8, 32)
    )  # type: ignore[return-value]


def state(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def same(before: dict[str, torch.Tensor], network: torch.nn.Module) -> bool:
    return all(torch.equal(before[name], x) for name, x in network.state_dict().items())


def test_srresnet_trains_and_the_same_seed_gives_the_same_bits(smoke, patches) -> None:
    def trained(params: Params) -> SRResNet:
        own = params.srresnet, params.patches.srgan, params.trainer
        return srresnet.fit(*own, patches, SilentRun(), launch(params.trainer), NoCheckpoints())

    params = changed(smoke, "srresnet", ema_decay=0.0)
    first = trained(params)
    assert same(state(first), trained(params))
    assert not first.training
    assert first(torch.rand(1, 3, 5, 6)).shape == (1, 3, 20, 24)


def test_each_network_learns_from_its_own_loss_only(smoke, patches, generator, perceptual) -> None:
    training = trainee(with_terms(smoke), patches, generator, perceptual)
    lr, hr = (x.float() / 255 for x in one_batch())
    training.generator.train()
    training.discriminator.train()

    before = state(training.discriminator)
    training._update_generator(training._generate(lr), hr, 0.01)
    assert same(before, training.discriminator)
    assert all(p.grad is None for p in training.discriminator.parameters())
    moved = [p.grad is not None for p in training.generator.parameters()]
    assert all(moved)

    before = state(training.generator)
    gradients = [p.grad.clone() for p in training.generator.parameters() if p.grad is not None]
    sr = training._generate(lr)  # with its graph: detaching must not be left to the caller
    training._update_discriminator(sr, hr, 1.0)
    assert same(before, training.generator)
    for parameter, gradient in zip(training.generator.parameters(), gradients, strict=True):
        assert parameter.grad is not None
        assert torch.equal(parameter.grad, gradient)
    assert all(p.grad is not None for p in training.discriminator.parameters())


def test_the_gradient_is_that_of_the_sum_of_the_terms(
    smoke, patches, generator, perceptual
) -> None:
    training = trainee(with_terms(smoke, lambda2=0.5), patches, generator, perceptual)
    training.discriminator.eval()  # no dropout: the terms must be the same twice
    lr, hr = (x.float() / 255 for x in one_batch())
    sr = training._generate(lr)
    total = torch.stack(list(training._generator_terms(sr, hr).values())).sum()
    expected = torch.autograd.grad(total, list(training.generator.parameters()))
    training._params = training._params.model_copy(
        update={"optimizer": training._params.optimizer.model_copy(update={"clip_norm": None})}
    )
    training._update_generator(training._generate(lr), hr, 0.01)
    for parameter, gradient in zip(training.generator.parameters(), expected, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("loss", ["linear", "bce", "hinge", "relativistic"])
def test_every_step_says_what_each_term_did(smoke, patches, generator, perceptual, loss) -> None:
    training = trainee(with_terms(smoke, loss), patches, generator, perceptual)
    logs = {name: value.item() for name, value in training.update(one_batch(), 0.001).items()}
    terms = ("content", "grid", "perceptual", "adversarial")
    assert sum(logs[f"generator/{term}"] for term in terms) == pytest.approx(
        logs["generator/total"], rel=1e-5
    )
    for share in ("share", "gradient_share"):
        assert sum(logs[f"{share}/{term}"] for term in terms) == pytest.approx(1, rel=1e-5)
    assert {"discriminator/real", "discriminator/fake"} <= set(logs)
    assert 0 < logs["discriminator/answer_real"] < 1
    assert 0 < logs["discriminator/answer_fake"] < 1
    assert all(np.isfinite(list(logs.values())))


def test_terms_without_weight_are_left_out(smoke, patches, generator) -> None:
    params = changed(with_terms(smoke, lambda2=0.0), grid=GridParams(weight=0.0))
    training = trainee(params, patches, generator, None)
    logs = training.update(one_batch(), 0.001)
    assert [name for name in logs if name.startswith("share/")] == ["share/content"]


def test_with_a_head_start_the_discriminator_learns_alone(
    smoke, patches, generator, perceptual
) -> None:
    params = with_terms(smoke)
    ahead = params.srgan.discriminator.model_copy(update={"head_start": 2})
    training = trainee(changed(params, discriminator=ahead), patches, generator, perceptual)
    generates, discriminates = state(training.generator), state(training.discriminator)
    for _ in range(2):
        logs = training.update(one_batch(), 0.001)
        assert {name.partition("/")[0] for name in logs} == {"discriminator"}
        assert same(generates, training.generator)
        assert not same(discriminates, training.discriminator)
        discriminates = state(training.discriminator)
    assert "generator/total" in training.update(one_batch(), 0.001)
    assert not same(generates, training.generator)


@pytest.mark.parametrize(("ema_decay", "start_share"), [(0.0, 0.0), (0.5, 0.0), (0.5, 0.25)])
def test_rounds_begin_anew_and_their_mean_is_kept(
    smoke, patches, generator, perceptual, ema_decay: float, start_share: float
) -> None:
    params = with_terms(smoke)
    ahead = params.srgan.discriminator.model_copy(update={"head_start": 1})
    params = changed(params, rounds=3, discriminator=ahead, ema_decay=ema_decay)
    mixed = changed(params, start_share=start_share)
    training = trainee(mixed, patches, generator, perceptual)
    begin = state(training.generator), state(training.discriminator)
    ends, learned = [], []
    for number, count in enumerate((3, 2, 4)):
        if number:
            training.begin_round()
            for name, value in training._kept().state_dict().items():
                assert torch.allclose(value, ends[-1][name], atol=1e-7)
            assert not training._generator_optimizer.state
            assert not training._discriminator_optimizer.state
            assert not training._watch.state_dict()["pending"]
        assert same(begin[0], training.generator)
        assert same(begin[1], training.discriminator)
        alone = trainee(params, patches, copy.deepcopy(training.generator), perceptual)
        for part, values in zip((alone.generator, alone.discriminator), begin, strict=True):
            part.load_state_dict(values)
        for step in range(count):
            torch.manual_seed(step)  # dropout
            training.update(one_batch(10 * number + step), 0.001)
            torch.manual_seed(step)
            alone.update(one_batch(10 * number + step), 0.001)
        learned.append((count - 1, state(alone._kept())))
        ends.append(state(training._kept()))
    steps = sum(count for count, _ in learned)
    for name, value in ends[-1].items():
        mean = sum(count / steps * weights[name] for count, weights in learned)
        expected = start_share * begin[0][name] + (1 - start_share) * mean
        assert torch.allclose(value, expected, atol=1e-6)
    assert all(torch.equal(ends[-1][name], x) for name, x in training.weights().items())


def test_a_collapse_early_in_a_round_returns_to_its_beginning(
    smoke, patches, generator, perceptual
) -> None:
    collapse = COLLAPSE.model_copy(update={"returns": 1})
    params = changed(with_terms(smoke), rounds=2, collapse=collapse)
    training = trainee(params, patches, generator, perceptual)
    begin = state(training.generator)
    training.update(one_batch(), 0.1)
    training.validate()  # the last good state is now one of the first round
    training.begin_round()
    training.update(one_batch(), 0.1)
    assert training._collapsed("made up")
    assert same(begin, training.generator)


def test_a_log_may_hold_steps_of_two_kinds() -> None:
    run = Recorder()
    log = LossLog(run, steps=3)
    log.add(0, {"discriminator/total": torch.tensor(2.0)}, 0.1)
    both = {"generator/total": torch.tensor(1.0), "discriminator/total": torch.tensor(4.0)}
    log.add(1, both, 0.2)
    log.flush({})
    means = {"discriminator/total": 3.0, "generator/total": 1.0, "learning_rate": 0.2}
    assert run.metrics == [(1, means)]


def test_training_runs_and_the_same_seed_gives_the_same_bits(
    smoke, patches, generator, perceptual
) -> None:
    run = Recorder()
    params = with_terms(smoke)
    start = state(generator)
    first = train(params, patches, generator, perceptual, run)
    assert not same(start, first)
    end = state(first)
    generator.load_state_dict(start)
    assert same(end, train(params, patches, generator, perceptual))
    logged = set().union(*(metrics for _, metrics in run.metrics))
    assert {"generator/total", "gradient_share/perceptual", "validation/psnr"} <= logged
    assert run.images


def test_bf16_trains(smoke, patches, generator, perceptual) -> None:
    trainer = smoke.trainer.model_copy(update={"precision": "bf16"})
    params = with_terms(smoke).model_copy(update={"trainer": trainer})
    network = train(params, patches, generator, perceptual)
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_grid_loss_sees_a_checkerboard_and_no_brightness(scale: int) -> None:
    hr = torch.rand(1, 3, 12 * scale, 10 * scale)
    assert grid(hr + 0.1, hr, scale).item() == pytest.approx(0, abs=1e-6)
    checkered = hr.clone()
    checkered[..., ::scale, ::scale] += 0.5
    share = 1 / scale**2
    expected = 0.5 * 2 * share * (1 - share)
    assert grid(checkered, hr, scale).item() == pytest.approx(expected, rel=1e-4)
    assert grid(hr[..., :scale, :scale], hr[..., :scale, :scale], scale).item() == 0


def test_every_phase_of_the_grid_is_seen_in_turn() -> None:
    image = torch.arange(64.0).reshape(1, 1, 8, 8)
    corners = [_from_phase(image, step) for step in range(17)]
    assert all(corner.shape == (1, 1, 5, 5) for corner in corners)
    assert sorted(corner[0, 0, 0, 0].item() for corner in corners[:16]) == [
        8 * top + left for top in range(4) for left in range(4)
    ]
    assert torch.equal(corners[16], corners[0])


COLLAPSE = CollapseParams(certainty=0.9, certain_steps=15, psnr_drop=1.0, returns=0)
HALF = torch.tensor(0.5)
NOISE = torch.rand(2, 3, 8, 8)


def steps(watch: CollapseWatch, count: int, real=HALF, fake=HALF, sr=NOISE) -> list[str | None]:
    return [watch.after_step(real, fake, sr, NOISE) for _ in range(count)]


def test_a_certain_discriminator_is_noticed() -> None:
    watch = CollapseWatch(COLLAPSE)
    certain = torch.tensor(0.95), torch.tensor(0.05)
    assert not any(steps(watch, 10, *certain))
    assert "has been certain for 15 steps" in steps(watch, 10, *certain)[-1]
    watch.reset()
    assert not any(steps(watch, 10, *certain) + steps(watch, 10) + steps(watch, 10, *certain))


def test_constant_images_are_noticed() -> None:
    assert "constant" in steps(CollapseWatch(COLLAPSE), 10, sr=NOISE * 0.01 + 0.5)[-1]
    assert not any(steps(CollapseWatch(COLLAPSE), 10, sr=NOISE * 0.5))


def test_a_fall_below_the_pretrained_generator_is_noticed() -> None:
    watch = CollapseWatch(COLLAPSE)
    assert watch.after_validation(30.0) is None
    assert watch.after_validation(29.1) is None
    assert "1.50 dB below" in watch.after_validation(28.5)
    assert CollapseWatch(COLLAPSE).after_validation(None) is None


@pytest.mark.parametrize("returns", [0, 1])
def test_a_collapse_is_said_and_returned_from(
    smoke, patches, generator, returns: int, capsys
) -> None:
    collapse = COLLAPSE.model_copy(update={"returns": returns, "psnr_drop": 0.01})
    training = trainee(
        changed(with_terms(smoke, lambda2=1.0), collapse=collapse, ema_decay=0.0),
        patches, generator, None,
    )  # fmt: skip
    good, _ = training.validate()
    before = state(training.generator), state(training.discriminator)
    for step in range(3):
        training.update(one_batch(step), 0.1)
    assert not same(before[0], training.generator)
    scores, _ = training.validate()
    said = capsys.readouterr().err
    assert "collapse: validation PSNR is" in said
    assert ("return 1 of 1" in said) == bool(returns)
    assert same(before[0], training.generator) == bool(returns)
    assert same(before[1], training.discriminator) == bool(returns)
    assert (scores == good) == bool(returns)
    for step in range(3):
        training.update(one_batch(step), 0.1)
    training.validate()
    assert "goes on as it is" in capsys.readouterr().err


def test_strength_lies_between_the_two(smoke, generator, tmp_path: Path) -> None:
    torch.manual_seed(1)
    other = SRResNet(**srresnet.architecture(smoke.srresnet))
    other.load_state_dict({k: v + 1 for k, v in generator.state_dict().items()})
    assert same(state(generator), blend(generator, other, 0.0))
    assert same(state(other), blend(generator, other, 1.0))
    quarter = blend(generator, other, 0.25).state_dict()
    for name, start in generator.state_dict().items():
        assert torch.allclose(quarter[name], start + 0.25, atol=1e-6)

    def saved(network: SRResNet, name: str, **changes) -> Path:
        architecture = {**srresnet.architecture(smoke.srresnet), **changes}
        path = tmp_path / name
        save_weights(network, make_card("srresnet", architecture, [4], {}, "d", None), path)
        return path

    start, end = saved(generator, "a.safetensors"), saved(other, "b.safetensors")
    assert same(state(other), load_blend(start, end, 1.0)[0])
    assert isinstance(load_srresnet(end)[0], SRResNet)
    wider = {"features": 5}
    third = saved(
        SRResNet(**{**srresnet.architecture(smoke.srresnet), **wider}), "c.safetensors", **wider
    )
    with pytest.raises(SrlabError, match="are different networks"):
        load_blend(start, third, 0.5)


def test_a_share_of_the_content_loss_is_of_luma_alone() -> None:
    sr, hr = torch.rand(2, 3, 5, 6), torch.rand(2, 3, 5, 6)
    on_luma = (luma(sr) - luma(hr)).abs().mean()
    on_rgb = (sr - hr).abs().mean()
    assert torch.equal(content(sr, hr, "l1", 0.0), on_rgb)
    assert torch.allclose(content(sr, hr, "l1", 1.0), on_luma)
    assert torch.allclose(content(sr, hr, "l1", 0.8), 0.8 * on_luma + 0.2 * on_rgb)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(content(sr, hr, "l1", 1.0), on_luma)


def test_the_logarithm_of_the_error_is_psnr_but_for_a_factor() -> None:
    sr, hr = torch.rand(3, 3, 5, 6), torch.rand(3, 3, 5, 6)
    expected = psnr(sr, hr).mean()
    assert -10 / math.log(10) * log_error(sr, hr).item() == pytest.approx(expected.item(), abs=1e-3)
    assert torch.isfinite(log_error(hr, hr))
