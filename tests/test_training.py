import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import make_photo
from lightning_fabric import Fabric

from srlab.data.images import write_png
from srlab.data.patches import cut
from srlab.errors import SrlabError
from srlab.models.memnet import MemNet
from srlab.params import BudgetParams, OptimizerParams, Params, ScheduleParams
from srlab.tracking import SilentRun
from srlab.training.batches import SYMMETRIES, PatchBatches, loader
from srlab.training.checkpoints import NoCheckpoints
from srlab.training.compiling import compile_modules
from srlab.training.device_batches import DeviceBatches, fits_on
from srlab.training.ema import RunningAverage
from srlab.training.fabric import launch
from srlab.training.loop import optimize
from srlab.training.loss_log import TrainingDivergedError
from srlab.training.memnet import architecture, fit
from srlab.training.on_patches import sections
from srlab.training.patch_file import PatchFile
from srlab.training.ranks import Ranks
from srlab.training.recorded import Training, train_recorded
from srlab.training.saving import fit_and_save
from srlab.training.schedule import Budget, learning_rate
from srlab.weights import load_weights, make_card


class Recorder(SilentRun):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.metrics: list[tuple[int, dict[str, float]]] = []
        self.images: list[tuple[int, np.ndarray]] = []
        self.files: list[Path] = []

    def log_metrics(self, metrics, *, step: int = 0) -> None:
        self.metrics.append((step, dict(metrics)))

    def log_image(self, name: str, pixels: np.ndarray, *, step: int = 0) -> None:
        self.images.append((step, pixels))

    def log_file(self, path: Path) -> None:
        self.files.append(path)


@pytest.fixture
def patches(smoke: Params, tmp_path: Path) -> Path:
    folder = tmp_path / "raw" / "made"
    folder.mkdir(parents=True)
    for index in range(6):
        write_png(folder / f"{index}.png", make_photo(96, 96, seed=index))
    params = smoke.patches.memnet.model_copy(update={"patch_size": 16, "stride": 16})
    cut(params, [folder], tmp_path / "patches")
    return tmp_path / "patches"


@pytest.fixture
def fabric(smoke: Params) -> Fabric:
    return launch(smoke.trainer)


def changed(params: Params, **memnet) -> Params:
    return params.model_copy(update={"memnet": params.memnet.model_copy(update=memnet)})


def train(params: Params, patches: Path, run=None, checkpoints=None):
    fabric = launch(params.trainer)
    own = params.memnet, params.patches.memnet, params.trainer
    return fit(*own, patches, run or SilentRun(), fabric, checkpoints or NoCheckpoints())


def train_and_save(params: Params, patches: Path, weights: Path, run) -> None:
    card = make_card(
        "memnet",
        architecture(params.memnet),
        params.patches.memnet.scales,
        sections(params, network="memnet", patches="memnet"),
        "d",
        None,
    )
    fit_and_save(lambda: train(params, patches, run), card, weights, run)


def test_every_patch_is_used_once_per_epoch(patches: Path) -> None:
    batches = PatchBatches(patches, batch=7, augment=False, seed=3)
    stored = np.load(patches / "hr.npy")
    seen = torch.cat([batches[step][1] for step in range(math.ceil(batches.patches / 7))])
    seen = seen[: batches.patches].numpy().reshape(batches.patches, -1)
    assert sorted(map(bytes, seen)) == sorted(map(bytes, stored.reshape(len(stored), -1)))


def test_a_batch_is_a_function_of_its_step(patches: Path) -> None:
    one = PatchBatches(patches, batch=8, augment=True, seed=3)
    other = PatchBatches(patches, batch=8, augment=True, seed=3)
    for step in (5, 0, 50):
        assert all(torch.equal(a, b) for a, b in zip(one[step], other[step], strict=True))
    assert not torch.equal(one[0][1], one[1][1])
    assert not torch.equal(one[0][1], PatchBatches(patches, batch=8, augment=True, seed=4)[0][1])


@pytest.mark.parametrize("workers", [0, 2])
def test_worker_processes_change_nothing(patches: Path, workers: int) -> None:
    batches = PatchBatches(patches, batch=4, augment=True, seed=3)
    loaded = list(loader(batches, first=2, last=6, workers=workers))
    assert len(loaded) == 4
    for step, batch in zip(range(2, 6), loaded, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(batch, batches[step], strict=True))


@pytest.mark.parametrize("enlarged", [True, False])
@pytest.mark.parametrize("last", [4, None])
def test_batches_made_on_a_device_are_those_of_the_disk(
    smoke: Params, tmp_path: Path, enlarged: bool, last: int | None
) -> None:
    (tmp_path / "raw").mkdir()
    write_png(tmp_path / "raw" / "made.png", make_photo(96, 96))
    settings = smoke.patches.memnet if enlarged else smoke.patches.srgan
    settings = settings.model_copy(update={"patch_size": 32, "stride": 8, "scales": [2, 4]})
    cut(settings, [tmp_path / "raw"], tmp_path / "packed")
    batches = PatchBatches(tmp_path / "packed", batch=6, augment=True, seed=3)
    steps = DeviceBatches(batches, torch.device("cpu")).steps(1, last)
    for step, made in zip((1, 2, 3), steps, strict=last is not None):
        assert all(torch.equal(a, b) for a, b in zip(made, batches[step], strict=True))


def test_only_a_gpu_with_room_gets_the_patches(
    patches: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = PatchBatches(patches, batch=6, augment=True, seed=3)
    size = sum(path.stat().st_size for path in patches.glob("*.npy"))
    for free, fits in ((5 * size, True), (3 * size, False)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, free))
        assert fits_on(torch.device("cuda"), batches) == fits
    assert not fits_on(torch.device("cpu"), batches)


@pytest.mark.parametrize("workers", [0, 2])
def test_of_large_files_patches_are_asked_for_ahead(
    patches: Path, monkeypatch, workers: int
) -> None:
    expected = PatchBatches(patches, batch=4, augment=True, seed=3)
    monkeypatch.setattr("srlab.training.batches._are_small", lambda files: False)
    asked: list[tuple[PatchFile, int]] = []
    fetch = PatchFile.fetch

    def noted(file: PatchFile, patch: int) -> None:
        asked.append((file, patch))
        fetch(file, patch)

    monkeypatch.setattr(PatchFile, "fetch", noted)
    batches = PatchBatches(patches, batch=4, augment=True, seed=3)
    last = 3 * batches.patches // batches.batch  # more than two epochs
    for step, (seen, hr) in zip(
        range(5, last), loader(batches, first=5, last=last, workers=workers), strict=True
    ):
        assert all(torch.equal(a, b) for a, b in zip((seen, hr), expected[step], strict=True))
    if workers == 0:
        # Each patch once, with what the network sees of it, four steps ahead.
        wanted = [n for step in range(5, last + 4) for n in batches.draw(step).patches.tolist()]
        assert [patch for _, patch in asked[::2]] == [patch for _, patch in asked[1::2]] == wanted


def test_a_step_back_is_read_as_well(patches: Path, monkeypatch) -> None:
    expected = PatchBatches(patches, batch=4, augment=True, seed=3)
    monkeypatch.setattr("srlab.training.batches._are_small", lambda files: False)
    batches = PatchBatches(patches, batch=4, augment=True, seed=3)
    for step in (9, 2, 11):
        assert torch.equal(batches[step][1], expected[step][1])


def test_ranks_share_a_batch_without_overlap(patches: Path) -> None:
    whole = PatchBatches(patches, batch=8, augment=True, seed=3)[4]
    shares = [
        PatchBatches(patches, batch=8, augment=True, seed=3, rank=rank, world=2)[4]
        for rank in range(2)
    ]
    for index, tensor in enumerate(whole):
        assert torch.equal(tensor[0::2], shares[0][index])
        assert torch.equal(tensor[1::2], shares[1][index])


def test_a_pair_is_flipped_and_turned_together(patches: Path) -> None:
    # The low-resolution patch is replaced by a copy of the patch: they must stay equal.
    hr = np.load(patches / "hr.npy")
    for path in patches.glob("x*.npy"):
        np.save(path, hr)
    seen, truth = PatchBatches(patches, batch=32, augment=True, seed=0)[0]
    assert torch.equal(seen, truth)
    plain = PatchBatches(patches, batch=32, augment=False, seed=0)[0][1]
    assert not torch.equal(truth, plain)


def test_every_factor_is_drawn(patches: Path) -> None:
    for scale in (2, 3, 4):
        path = patches / f"x{scale}_bicubic.npy"
        np.save(path, np.full_like(np.load(path), scale))
    seen, _ = PatchBatches(patches, batch=64, augment=True, seed=0)[0]
    assert set(seen[:, 0, 0, 0].tolist()) == {2, 3, 4}


def test_missing_patches_are_an_error_that_names_them(tmp_path: Path) -> None:
    with pytest.raises(SrlabError, match="no packed patches"):
        PatchBatches(tmp_path, batch=1, augment=False, seed=0)


def test_a_missing_file_of_patches_is_named(patches: Path) -> None:
    (patches / "hr.npy").unlink()
    with pytest.raises(SrlabError, match=r"patches are missing .*hr\.npy.*run: dvc repro"):
        PatchBatches(patches, batch=4, augment=True, seed=3)


def test_a_stage_without_patches_ends_before_it_starts(smoke: Params, tmp_path: Path) -> None:
    training = Training("memnet", "memnet", {}, [2], smoke.trainer, {}, tmp_path)
    files = {name: tmp_path / name for name in ("weights", "curves", "cost")}
    with pytest.raises(SrlabError, match="no packed patches"):
        train_recorded(training, lambda *_: pytest.fail("it trains"), **files)
    assert not list(tmp_path.iterdir())


def test_one_batch_can_be_overfitted(smoke: Params, patches: Path) -> None:
    index = json.loads((patches / "index.json").read_text())
    index["patches"] = 4
    index["settings"]["scales"] = [4]
    (patches / "index.json").write_text(json.dumps(index))
    budget = smoke.memnet.budget.model_copy(update={"steps": 600})
    params = changed(
        smoke, budget=budget, batch=4, augment=False, features=16, ema_decay=0.0, validations=1
    )
    run = Recorder()
    train(params, patches, run)
    losses = [metrics["loss/total"] for _, metrics in run.metrics if "loss/total" in metrics]
    network_input = PatchBatches(patches, batch=4, augment=False, seed=1)[0]
    seen, hr = (patch.float() / 255 for patch in network_input)
    assert losses[-1] < 0.6 * (seen - hr).abs().mean()


def test_the_same_seed_gives_the_same_bits(smoke: Params, patches: Path) -> None:
    first, second = train(smoke, patches), train(smoke, patches)
    for (name, a), b in zip(first.state_dict().items(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    other = smoke.model_copy(update={"trainer": smoke.trainer.model_copy(update={"seed": 2})})
    third = train(other, patches)
    assert not torch.equal(first.extraction.weight, third.extraction.weight)


@pytest.mark.parametrize(
    "changes",
    [
        {"supervision": "multi"},
        {"share_weights": True, "residual_units": 2},
        {"loss": "half_sum_squared"},
        {"loss": "log_error"},
        {"gate_kernel": 3},
        {
            "optimizer": OptimizerParams(
                name="sgd",
                learning_rate=0.1,
                momentum=0.9,
                beta2=0.999,
                weight_decay=1e-4,
                clip_norm=1.0,
            )
        },
    ],
)
def test_every_kind_of_training_runs(smoke: Params, patches: Path, changes: dict) -> None:
    run = Recorder()
    network = train(changed(smoke, **changes), patches, run)
    assert not network.training
    assert all(torch.isfinite(p).all() for p in network.parameters())
    logged = set().union(*(metrics for _, metrics in run.metrics))
    assert {"loss/content", "loss/total", "learning_rate", "validation/psnr"} <= logged
    assert ("loss/intermediate" in logged) == (changes.get("supervision") == "multi")
    assert run.images


def test_bf16_trains(smoke: Params, patches: Path) -> None:
    trainer = smoke.trainer.model_copy(update={"precision": "bf16"})
    computed = set()

    def look(module: torch.nn.Module, _: object, output: object) -> None:
        if module.training and isinstance(module, torch.nn.Conv2d):
            computed.add(output.dtype)

    hook = torch.nn.modules.module.register_module_forward_hook(look)
    try:
        network = train(smoke.model_copy(update={"trainer": trainer}), patches)
    finally:
        hook.remove()
    assert computed == {torch.bfloat16}
    assert all(p.dtype == torch.float32 for p in network.parameters())


def test_bf16_does_not_round_the_images(smoke: Params) -> None:
    fabric = launch(smoke.trainer.model_copy(update={"precision": "bf16"}))
    module = fabric.setup_module(torch.nn.Identity())
    image = torch.rand(1, 1, 8, 8)
    assert torch.equal(module(image), image)


@pytest.fixture
def compiled(monkeypatch) -> list[str]:
    """The names of what was called of what torch.compile was given.

    torch.compile gives plain functions instead: not every machine has a compiler.
    """
    called = []

    def compile_(function, **settings):
        def wrapper(*arguments):
            called.append(function.__qualname__)
            return function(*arguments)

        return wrapper

    monkeypatch.setattr(torch, "compile", compile_)
    return called


def test_a_compiled_method_trains(smoke: Params, patches: Path, compiled: list[str]) -> None:
    trainer = smoke.trainer.model_copy(update={"compile": True})
    train(smoke.model_copy(update={"trainer": trainer}), patches)
    assert set(compiled) == {"MemNet.outputs"}


def test_modules_of_a_kind_are_compiled_once(compiled: list[str]) -> None:
    network = MemNet(memory_blocks=2, residual_units=3, features=4)
    before = network.outputs(torch.ones(1, 1, 8, 8))
    compile_modules(network, MemNet.REPEATED)
    after = network.outputs(torch.ones(1, 1, 8, 8))
    assert torch.equal(before[0], after[0])
    assert sorted(compiled) == 2 * ["GateUnit.forward"] + 6 * ["ResidualUnit.forward"]
    assert (
        network.state_dict().keys()
        == MemNet(memory_blocks=2, residual_units=3, features=4).state_dict().keys()
    )


def test_training_goes_on_from_given_weights(smoke: Params, patches: Path) -> None:
    hardly = smoke.memnet.optimizer.model_copy(update={"learning_rate": 1e-12})
    params = changed(smoke, optimizer=hardly)
    given = MemNet(**architecture(params.memnet)).state_dict()
    own = params.memnet, params.patches.memnet, params.trainer
    trained = fit(*own, patches, SilentRun(), launch(smoke.trainer), NoCheckpoints(), given)
    learnt = [name for name, _ in trained.named_parameters()]
    for name in learnt:
        assert torch.allclose(trained.state_dict()[name], given[name], atol=1e-6), name
    assert not torch.equal(train(params, patches).state_dict()[learnt[0]], given[learnt[0]])


@pytest.mark.parametrize("symmetry", range(8))
def test_symmetries_are_quarter_turns_and_mirrors(symmetry: int) -> None:
    patch = np.random.default_rng(0).integers(0, 256, (3, 5, 5), np.uint8)
    turned = np.rot90(patch, symmetry % 4, axes=(1, 2))
    expected = turned[..., ::-1] if symmetry >= 4 else turned
    assert np.array_equal(SYMMETRIES[symmetry](patch), expected)


def test_the_best_weights_by_validation_are_kept(smoke: Params, patches: Path) -> None:
    # Steps this long ruin the network; what is kept is the untrained one, the bicubic image.
    optimizer = smoke.memnet.optimizer.model_copy(update={"learning_rate": 10.0})
    network = train(changed(smoke, optimizer=optimizer, ema_decay=0.0), patches)
    image = torch.rand(1, 1, 20, 20)
    assert torch.allclose(network(image), image, atol=1e-6)


def test_a_loss_that_is_not_finite_stops_the_run(smoke, patches, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    optimizer = smoke.memnet.optimizer.model_copy(
        update={"learning_rate": 1e30, "name": "sgd", "momentum": 0.0}
    )
    params = changed(smoke, optimizer=optimizer, loss="half_sum_squared", ema_decay=0.0)
    weights = tmp_path / "models" / "memnet.safetensors"
    run = Recorder()
    with pytest.raises(SrlabError, match=r"loss/content is (nan|inf) at step \d") as stopped:
        train_and_save(params, patches, weights, run)
    assert not isinstance(stopped.value, TrainingDivergedError)
    kept = tmp_path / ".srlab" / "diverged" / "memnet.safetensors"
    assert str(kept) in str(stopped.value)
    assert not weights.exists()
    network, _ = load_weights(kept)
    assert all(torch.isfinite(p).all() for p in network.parameters())
    assert run.files == [kept]


def test_train_save_load_agree(smoke: Params, patches: Path, tmp_path: Path) -> None:
    weights = tmp_path / "models" / "memnet.safetensors"
    train_and_save(smoke, patches, weights, SilentRun())
    network, card = load_weights(weights)
    trained = train(smoke, patches)
    for name, value in trained.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name
    # A loaded network has another memory layout than a trained one: other kernels, other rounding.
    image = torch.rand(1, 1, 20, 20)
    torch.testing.assert_close(network(image), trained(image), atol=1e-6, rtol=0)
    assert card.scales == [2, 3, 4]
    assert card.hyperparameters["features"] == smoke.memnet.features


def test_no_held_out_image_keeps_the_last_weights(smoke: Params, patches: Path) -> None:
    for path in (patches / "validation").iterdir():
        path.unlink()
    network = train(changed(smoke, ema_decay=0.0), patches)
    assert network.reconstruction.weight.abs().sum() > 0


STEP = ScheduleParams(name="step", warmup=0.0, step_epochs=10, step_factor=10)
COSINE = ScheduleParams(name="cosine", warmup=0.1, step_epochs=10, step_factor=10)
LINEAR = ScheduleParams(name="linear", warmup=0.0, step_epochs=10, step_factor=10)
CONSTANT = ScheduleParams(name="constant", warmup=0.1, step_epochs=10, step_factor=10)


@pytest.mark.parametrize(
    ("schedule", "share", "epoch", "expected"),
    [
        (STEP, 0.0, 0, 0.1),
        (STEP, 0.2, 9, 0.1),
        (STEP, 0.2, 10, 0.01),
        (STEP, 0.9, 39, 0.0001),
        (COSINE, 0.05, 0, 0.05),
        (COSINE, 0.1, 0, 0.1),
        (COSINE, 0.55, 0, 0.05),
        (COSINE, 1.0, 0, 0.0),
        (LINEAR, 0.25, 0, 0.075),
        (CONSTANT, 0.05, 0, 0.05),
        (CONSTANT, 0.9, 99, 0.1),
    ],
)
def test_the_learning_rate_falls_as_named(schedule, share, epoch, expected) -> None:
    rate = learning_rate(0.1, schedule, share=share, epoch=epoch)
    assert rate == pytest.approx(expected, abs=1e-9)


def test_budgets_count_steps_epochs_and_minutes(smoke: Params) -> None:
    def budget(clock=lambda: 0.0, **given) -> Budget:
        empty = {"epochs": None, "steps": None, "minutes": None}
        params = smoke.memnet.budget.model_copy(update={**empty, **given})
        return Budget(params, steps_per_epoch=2.5, clock=clock)

    assert budget(steps=8).share(2) == 0.25
    assert budget(steps=0).share(0) == 1.0
    assert budget(epochs=3).steps == 8
    assert budget(epochs=3).repeatable
    times = iter([100.0, 130.0, 999.0])
    timed = budget(clock=lambda: next(times), minutes=1.0)
    assert not timed.repeatable
    assert timed.share(10**6) == 0.5
    assert timed.share(0) == 1.0


def test_every_round_takes_the_whole_course_of_the_learning_rate(fabric: Fabric) -> None:
    class Learner:
        """Keeps the rates, and how many had come before each round."""

        def __init__(self) -> None:
            self.rates: list[float] = []
            self.rounds: list[int] = []

        def update(self, batch, learning_rate: float) -> dict[str, torch.Tensor]:
            self.rates.append(learning_rate)
            return {"loss/total": torch.tensor(0.0)}

        def begin_round(self) -> None:
            self.rounds.append(len(self.rates))

        def validate(self):
            return {}, None

        def weights(self) -> dict[str, torch.Tensor]:
            return {}

    def rates(steps: int, rounds: int, schedule: ScheduleParams) -> list[float]:
        learner = Learner()
        optimize(
            learner,  # type: ignore[arg-type]  # nothing is kept
            lambda step: range(step, 99),
            name="made",
            run=SilentRun(),
            budget=Budget(BudgetParams(epochs=None, steps=steps, minutes=None), steps_per_epoch=2),
            base_learning_rate=1.0,
            schedule=schedule,
            validations=1,
            patches_per_step=1,
            steps_per_epoch=2,
            checkpoints=NoCheckpoints(),
            ranks=Ranks(fabric),
            rounds=rounds,
            begin_round=learner.begin_round,
        )
        assert learner.rounds == [steps // rounds * number for number in range(1, rounds)]
        return learner.rates

    for name in ("cosine", "step"):
        schedule = ScheduleParams(name=name, warmup=0.25, step_epochs=1, step_factor=10)
        once = rates(8, 1, schedule)
        assert len(set(once)) > 3
        assert rates(24, 3, schedule) == pytest.approx(once * 3)


def test_the_running_average_follows_the_weights() -> None:
    network = torch.nn.BatchNorm1d(1)
    average = RunningAverage(network, decay=0.5, ramp=9)
    with torch.no_grad():
        network.weight.fill_(11.0)
    average.update()  # the first decay is 1 / 10
    assert average.network.weight.item() == pytest.approx(0.1 * 1 + 0.9 * 11)
    for _ in range(40):
        average.update()
    assert average.network.weight.item() == pytest.approx(11)


def test_the_slowest_running_average_is_the_mean_of_all_weights() -> None:
    network = torch.nn.BatchNorm1d(1)  # whose weight starts at 1
    average = RunningAverage(network, decay=0.999, ramp=1)
    for weight in (2.0, 6.0, 11.0):
        with torch.no_grad():
            network.weight.fill_(weight)
        average.update()
    assert average.network.weight.item() == pytest.approx((1 + 2 + 6 + 11) / 4)


def test_an_accelerator_that_is_not_there_is_refused(smoke: Params) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(SrlabError, match=r"trainer\.accelerator: cuda"):
        launch(smoke.trainer.model_copy(update={"accelerator": "cuda"}))
