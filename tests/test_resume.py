"""A training that was stopped and goes on ends with the bits of one that was not."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml
from conftest import ROOT, make_photo
from test_srgan import with_terms
from torch import nn

from pipeline import train_memnet
from srlab.data.images import write_png
from srlab.data.patches import cut
from srlab.models.srresnet import SRResNet
from srlab.params import Params, TeacherParams
from srlab.strict_yaml import read_yaml
from srlab.tracking import SilentRun
from srlab.training import memnet, srgan, srresnet
from srlab.training.checkpoints import CheckpointFolder, Checkpoints, NoCheckpoints
from srlab.training.curves import Curves
from srlab.training.fabric import launch
from srlab.training.interruption import Interruption
from srlab.training.teacher import load_teacher

Training = Callable[[Curves, Checkpoints], nn.Module]


class Crash(Exception):
    """Stands for a kill: nothing is saved any more."""


class CrashingFolder(CheckpointFolder):
    """Saves after every second step, and crashes after a number of steps."""

    def __init__(self, folder: Path, crash_after: int) -> None:
        super().__init__(folder, seconds=0)
        self._steps = 0
        self._crash_after = crash_after

    def due(self) -> bool:
        self._steps += 1
        if self._steps >= self._crash_after:
            raise Crash
        return self._steps % 2 == 0

    def close(self) -> None:
        """As the system does for a process that ended."""
        self._lock.release()


@pytest.fixture(scope="module")
def patches(smoke: Params, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("resume")
    (root / "raw" / "made").mkdir(parents=True)
    for index in range(6):
        write_png(root / "raw" / "made" / f"{index}.png", make_photo(128, 128, seed=index))
    for name in ("memnet", "srgan"):
        params = getattr(smoke.patches, name).model_copy(update={"patch_size": 32, "stride": 32})
        cut(params, [root / "raw" / "made"], root / name)
    return root


def memnet_training(smoke: Params, patches: Path, **changes) -> Training:
    params = smoke.memnet.model_copy(update={"features": 6, **changes})
    own = params, smoke.patches.memnet, smoke.trainer, patches / "memnet"
    teacher, _ = load_teacher(params.teacher, "memnet")
    return lambda run, checkpoints: memnet.fit(
        *own, run, launch(smoke.trainer), checkpoints, teacher=teacher
    )


def srresnet_training(smoke: Params, patches: Path, **changes) -> Training:
    params = smoke.srresnet.model_copy(update=changes)
    own = params, smoke.patches.srgan, smoke.trainer, patches / "srgan"
    teacher, _ = load_teacher(params.teacher, "srresnet", params.scale)
    return lambda run, checkpoints: srresnet.fit(
        *own, run, launch(smoke.trainer), checkpoints, teacher=teacher
    )


def srgan_training(smoke: Params, patches: Path, **changes) -> Training:
    params = with_terms(smoke).srgan
    discriminator = params.discriminator.model_copy(update={"dropout": 0.5, "batch_norm": True})
    params = params.model_copy(update={"discriminator": discriminator, **changes})
    own = params, smoke.patches.srgan, smoke.trainer, patches / "srgan"

    def fit(run: Curves, checkpoints: Checkpoints) -> nn.Module:
        torch.manual_seed(0)
        generator = SRResNet(**srresnet.architecture(smoke.srresnet))
        return srgan.fit(*own, generator, None, run, launch(smoke.trainer), checkpoints)

    return fit


TRAININGS = {
    "memnet": lambda smoke, patches: memnet_training(smoke, patches),
    "memnet, multi-supervised": lambda smoke, patches: memnet_training(
        smoke, patches, supervision="multi", memory_blocks=2, ema_decay=0.0
    ),
    "memnet, taught": lambda smoke, patches: memnet_training(
        smoke, patches, teacher=TeacherParams(model="memnet", weight=10.0)
    ),
    "memnet, sgd": lambda smoke, patches: memnet_training(
        smoke, patches, optimizer=smoke.memnet.optimizer.model_copy(update={"name": "sgd"})
    ),
    "srresnet, bn": lambda smoke, patches: srresnet_training(smoke, patches, batch_norm=True),
    "srresnet, taught": lambda smoke, patches: srresnet_training(
        smoke, patches, luma=0.5, teacher=TeacherParams(model="srresnet", weight=10.0)
    ),
    "srgan, dropout": lambda smoke, patches: srgan_training(smoke, patches),
    "srgan, rounds": lambda smoke, patches: srgan_training(
        smoke, patches, rounds=3, start_share=0.25
    ),
    "srgan, collapsing": lambda smoke, patches: srgan_training(
        smoke,
        patches,
        collapse=smoke.srgan.collapse.model_copy(update={"psnr_drop": 1e-9, "returns": 2}),
        optimizer=smoke.srgan.optimizer.model_copy(update={"learning_rate": 0.01}),
    ),
}


def outcome(training: Training, checkpoints: Checkpoints, output: Path) -> dict[str, bytes]:
    """Everything that the training leaves."""
    curves = Curves(SilentRun())
    network = training(curves, checkpoints)
    curves.write(output)
    weights = {
        name: value.numpy().tobytes() for name, value in sorted(network.state_dict().items())
    }
    return weights | {path.name: path.read_bytes() for path in sorted(output.iterdir())}


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_that_crashed_goes_on_with_the_same_bits(
    name: str, smoke: Params, patches: Path, tmp_path: Path
) -> None:
    training = TRAININGS[name](smoke, patches)
    expected = outcome(training, NoCheckpoints(), tmp_path / "whole")
    folder = tmp_path / "resume" / "training-0123abcd"
    for crash_after in (1, 3, 4, 2):  # eight steps in all
        crashing = CrashingFolder(folder, crash_after)
        with pytest.raises(Crash):
            training(Curves(SilentRun()), crashing)
        crashing.close()
    last = CheckpointFolder(folder, seconds=1000)
    found = outcome(training, last, tmp_path / "resumed")
    assert found.keys() == expected.keys()
    assert [key for key in expected if found[key] != expected[key]] == []


def test_the_time_of_every_part_is_counted(smoke: Params, patches: Path, tmp_path: Path) -> None:
    training = memnet_training(smoke, patches)
    folder = tmp_path / "training-0123abcd"
    used = [0.0]
    for _ in range(2):
        crashing = CrashingFolder(folder, 3)
        with pytest.raises(Crash):
            training(Curves(SilentRun()), crashing)
        state = crashing.load()
        assert state is not None
        used.append(state["budget"]["seconds"])
        crashing.close()
    assert used == sorted(set(used))
    for checkpoints, earlier in (
        (CheckpointFolder(folder, seconds=1000), used[-1]),
        (NoCheckpoints(), 0.0),
    ):
        curves = Curves(SilentRun())
        training(curves, checkpoints)
        assert curves.last("time/earlier_seconds") == earlier


def test_the_cost_of_a_stage_holds_the_time_before_an_interruption(
    patches: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = read_yaml(ROOT / "profiles" / "smoke.yaml")
    tree["memnet"]["features"] = 6
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    Path("params.yaml").write_text(yaml.safe_dump(tree))
    files = Path("memnet.safetensors"), Path("curves"), Path("cost.json")

    def stop(folder: CheckpointFolder) -> bool:
        signal.raise_signal(signal.SIGTERM)
        return True

    with monkeypatch.context() as stopping:
        stopping.setattr(CheckpointFolder, "due", stop)
        with pytest.raises(SystemExit):
            train_memnet.main(patches / "memnet", *files)
    assert not Path("cost.json").exists()
    (kept,) = (tmp_path / ".srlab" / "resume").glob("memnet-*/")
    Path(f"{kept}.lock").unlink()  # the system lets it go with a process that ended
    folder = CheckpointFolder(kept)
    state = folder.load()
    assert state is not None
    state["budget"]["seconds"] = 1000.0
    folder.save(state, state["step"] + 1)
    Path(f"{kept}.lock").unlink()

    train_memnet.main(patches / "memnet", *files)
    assert 1000 < json.loads(Path("cost.json").read_text())["seconds"] < 1100


def test_the_training_of_the_test_above_is_not_trivial(smoke, patches, tmp_path) -> None:
    """Dropout, optimizer and average matter: without one of them in the state, the bits differ."""
    training = TRAININGS["srgan, dropout"](smoke, patches)
    expected = outcome(training, NoCheckpoints(), tmp_path / "whole")
    for part in ("generator_optimizer", "discriminator", "average", "random"):
        folder = tmp_path / part / "training-0123abcd"
        crashing = CrashingFolder(folder, 6)
        with pytest.raises(Crash):
            training(Curves(SilentRun()), crashing)
        crashing.close()
        last = CheckpointFolder(folder, seconds=1000)
        state = last.load()
        assert state is not None
        fresh = CheckpointFolder(tmp_path / f"{part}-fresh" / "training-0123abcd", seconds=0)
        first = CrashingFolder(tmp_path / f"{part}-first" / "training-0123abcd", 3)
        with pytest.raises(Crash):
            training(Curves(SilentRun()), first)
        earlier = first.load()
        assert earlier is not None
        if part == "random":
            state["random"] = earlier["random"]
        else:
            state["trainee"]["parts"][part] = earlier["trainee"]["parts"][part]
        fresh.save(state, 4)
        found = outcome(training, fresh, tmp_path / f"{part}-out")
        assert [key for key in expected if found[key] != expected[key]] != [], part


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_training_after_the_step_with_a_checkpoint(
    number: signal.Signals, smoke: Params, patches: Path, tmp_path: Path
) -> None:
    training = TRAININGS["memnet"](smoke, patches)
    expected = outcome(training, NoCheckpoints(), tmp_path / "whole")

    class Signalled(CheckpointFolder):
        steps = 0

        def due(self) -> bool:
            self.steps += 1
            if self.steps == 3:
                os.kill(os.getpid(), number)
            return False

    before = signal.getsignal(number)
    interrupted = Signalled(tmp_path / "resume" / "memnet-0123abcd", seconds=1000)
    with pytest.raises(SystemExit) as ended:
        training(Curves(SilentRun()), interrupted)
    assert ended.value.code == 128 + number
    assert signal.getsignal(number) is before
    state = interrupted.load()
    assert state is not None
    assert state["step"] == 3
    found = outcome(training, interrupted, tmp_path / "resumed")
    assert found == expected


def test_a_signal_in_the_first_step_ends_at_once() -> None:
    def interrupted_while_compiling() -> None:
        with Interruption(alone=True):
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as ended:
        interrupted_while_compiling()
    assert ended.value.code == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_signal_in_the_first_step_waits_for_it_where_others_train_too() -> None:
    with Interruption(alone=False) as interruption:
        os.kill(os.getpid(), signal.SIGTERM)
        assert interruption.signal == signal.SIGTERM
