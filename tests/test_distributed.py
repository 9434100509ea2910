"""Training in two processes: it computes what one does, and ends as one does."""

import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch
import yaml
from conftest import ROOT, make_photo
from two_processes import STEPS, comparable, fixed_statistics, small

from srlab.data.images import write_png
from srlab.data.patches import cut
from srlab.errors import SrlabError
from srlab.params import Params, parse_params
from srlab.strict_yaml import read_yaml
from srlab.tracking import SilentRun
from srlab.training.batches import PatchBatches, loader
from srlab.training.checkpoints import NoCheckpoints
from srlab.training.curves import Curves
from srlab.training.distribution import ddp
from srlab.training.fingerprint import fingerprint
from srlab.training.on_patches import train_on_patches
from srlab.training.processes import processes
from srlab.training.random_state import random_state, seed_rank, set_random_state

LONGEST = 300
STAGE_STEPS = 200
MEMNET = ("pipeline.train_memnet", "memnet", "out.safetensors", "curves", "cost.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Packed patches, and in `untracked` what takes MLflow away, which starts slowly."""
    root = tmp_path_factory.mktemp("distributed")
    (root / "raw").mkdir()
    for index in range(6):
        write_png(root / "raw" / f"{index}.png", make_photo(128, 128, seed=index))
    for name in ("memnet", "srgan"):
        params = getattr(small(1).patches, name).model_copy(update={"patch_size": 32, "stride": 32})
        cut(params, [root / "raw"], root / name)
    (root / "untracked").mkdir()
    (root / "untracked" / "mlflow.py").write_text("raise ImportError\n")
    return root


def start(folder: Path, *arguments: str, cwd: Path) -> subprocess.Popen[str]:
    paths = (folder / "untracked", ROOT / "src", ROOT, ROOT / "tests")
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@contextlib.contextmanager
def started(folder: Path, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], psutil.Process]]:
    """A training in two processes that is under way, and the second of the two."""
    main = start(folder, *MEMNET, cwd=cwd)
    try:
        assert main.stdout is not None
        said = ""
        while "before training" not in said:
            line = main.stdout.readline()
            assert line, f"ended too early: {said}"
            said += line
        (other,) = psutil.Process(main.pid).children()
        yield main, other
    finally:
        main.kill()


def is_gone(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def project(folder: Path, path: Path, steps: int) -> Path:
    """A folder to train in, where two processes share a MemNet's training."""
    tree = read_yaml(ROOT / "profiles" / "smoke.yaml")
    tree["trainer"]["devices"] = 2
    tree["memnet"]["budget"]["steps"] = steps
    path.mkdir()
    (path / "params.yaml").write_text(yaml.safe_dump(tree))
    (path / "memnet").symlink_to(folder / "memnet")
    return path


@pytest.fixture(scope="module")
def together(folder: Path) -> Path:
    """The results of `two_processes.py`."""
    torchrun = ("torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    job = start(folder, *torchrun, "-m", "two_processes", str(folder), "together", cwd=folder)
    output, _ = job.communicate(timeout=LONGEST)
    assert job.returncode == 0, output
    # Only rank 0 speaks: each of the six trainings says once how it stood before, or goes on.
    assert output.count("before training") == 5, output
    assert output.count("goes on from the checkpoint of step 3") == 1
    return folder / "together"


def losses(curves: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((curves / "losses.csv").read_text().splitlines()))


def facts(together: Path, rank: int) -> dict:
    return json.loads((together / str(rank) / "facts.json").read_text())


@pytest.mark.parametrize("name", ["memnet", "srresnet", "srgan"])
def test_two_processes_give_the_losses_of_one(name, folder, together, tmp_path) -> None:
    curves = Curves(SilentRun())
    with fixed_statistics():
        comparable(small(1), folder)[name](curves, NoCheckpoints())
    curves.write(tmp_path)
    alone, shared = (losses(path) for path in (tmp_path, together / "0" / name))
    assert len(alone) == len(shared) == STEPS
    # Shares are made of each rank's own terms; their mean over the ranks is another number.
    names = [name for name in alone[0] if "share" not in name]
    assert len(names) > 3
    for one, two in zip(alone, shared, strict=True):
        for column in names:
            assert float(two[column]) == pytest.approx(float(one[column]), rel=1e-4), column


def test_the_ranks_stay_the_same_network_and_draw_differently(together: Path) -> None:
    first, second = facts(together, 0), facts(together, 1)
    assert first["digests"] == second["digests"]
    assert first["draw"] != second["draw"]


def test_a_signal_to_one_rank_ends_all_and_resuming_gives_the_same_bits(together: Path) -> None:
    first, second = facts(together, 0), facts(together, 1)
    assert first["code"] == second["code"] == 128 + signal.SIGTERM
    assert first["step"] == 3
    assert first["random_states"] == 2
    assert first["differing"] == []


def test_a_terminated_stage_goes_on_and_only_rank_0_writes(folder: Path, tmp_path: Path) -> None:
    cwd = project(folder, tmp_path / "project", steps=STAGE_STEPS)
    before = {path.name for path in cwd.iterdir()}
    with started(folder, cwd) as (main, other):
        main.terminate()
        said, _ = main.communicate(timeout=LONGEST)
    assert main.returncode == 128 + signal.SIGTERM, said
    assert said.count("SIGTERM after step") == 1
    assert is_gone(other)
    assert {path.name for path in cwd.iterdir()} - before == {".srlab"}

    again = start(folder, *MEMNET, cwd=cwd)
    said, _ = again.communicate(timeout=LONGEST)
    assert again.returncode == 0, said
    assert said.count("goes on from the checkpoint") == 1
    assert said.count(f"{STAGE_STEPS} steps in") == 1
    written = {str(path.relative_to(cwd)) for path in cwd.rglob("*") if path.is_file()}
    outputs = {"out.safetensors", "cost.json", "curves/losses.csv", "curves/validation.csv"}
    assert {name for name in written if not name.startswith(".srlab")} == outputs | {"params.yaml"}
    assert not list((cwd / ".srlab").rglob("*.checkpoint"))
    assert [int(row["step"]) for row in losses(cwd / "curves")] == list(range(STAGE_STEPS))


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_process_ends_the_others(victim: int, folder: Path, tmp_path: Path) -> None:
    cwd = project(folder, tmp_path / "project", steps=10**6)
    with started(folder, cwd) as (main, other):
        (main, other)[victim].kill()
        main.communicate(timeout=LONGEST)
        assert main.returncode != 0
        deadline = time.monotonic() + 60
        while not is_gone(other) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert is_gone(other)
    assert not (cwd / "out.safetensors").exists()


def trainer(**changes):
    return small(1).trainer.model_copy(update=changes)


def test_one_process_is_the_default_and_auto_on_the_cpu() -> None:
    assert processes(trainer(), "cpu") == (1, 1)
    assert processes(trainer(devices="auto"), "cpu") == (1, 1)
    assert processes(trainer(devices=2), "cpu") == (2, 1)


def test_what_torchrun_started_must_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "test")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert processes(trainer(devices=2, nodes=2), "cpu") == (2, 2)
    assert processes(trainer(devices="auto", nodes=2), "cpu") == (2, 2)
    with pytest.raises(SrlabError, match=r"2 processes on each of 2 machines, but trainer\.dev"):
        processes(trainer(), "cpu")
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(SrlabError, match="every machine must have as many"):
        processes(trainer(devices="auto", nodes=2), "cpu")


def test_impossible_processes_are_refused() -> None:
    with pytest.raises(SrlabError, match="start torchrun --nnodes 2 on each"):
        processes(trainer(nodes=2), "cpu")
    with pytest.raises(SrlabError, match=r"trainer\.devices: 99, but this machine has"):
        processes(trainer(devices=99), "cuda")
    with pytest.raises(SrlabError, match="mps trains in one process"):
        processes(trainer(devices=2), "mps")


@pytest.mark.parametrize("devices", [0, True, "2", "all", None])
def test_devices_that_mean_nothing_are_one_complaint(devices) -> None:
    tree = small(1).model_dump()
    tree["trainer"]["devices"] = devices
    with pytest.raises(SrlabError, match=r"^p: trainer\.devices: must be auto or a") as refused:
        parse_params(tree, source="p")
    assert "\n" not in str(refused.value)


def test_a_batch_that_cannot_be_shared_is_refused(folder: Path) -> None:
    tree = small(1).model_dump()
    tree["trainer"]["devices"] = 3
    with pytest.raises(SrlabError, match=r"memnet\.batch 4 is not a multiple of 3"):
        parse_params(tree, source="p")
    params: Params = small("auto")
    ranks = SimpleNamespace(global_rank=0, world_size=3)
    own = params.srresnet, params.trainer
    with pytest.raises(SrlabError, match=r"srresnet\.batch: 4 patches .* by 3 processes"):
        train_on_patches(None, "srresnet", *own, folder, None, ranks, None)


def test_a_wrong_timeout_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLAB_RANK_TIMEOUT_SECONDS", "0")
    with pytest.raises(SrlabError, match="SRLAB_RANK_TIMEOUT_SECONDS is '0'"):
        ddp("cpu")


def test_the_number_of_processes_is_part_of_the_fingerprint() -> None:
    one, two = (fingerprint("memnet", {}, "d", {}, count) for count in (1, 2))
    assert one != two


def test_each_rank_draws_its_own_and_the_same_again(folder: Path) -> None:
    before = random_state()

    def drawn(rank: int) -> list[float]:
        torch.manual_seed(1)
        seed_rank(1, rank)
        return torch.rand(4).tolist()

    draws = [drawn(rank) for rank in range(3)]
    torch.manual_seed(1)
    assert draws[0] == torch.rand(4).tolist()
    assert draws[0] != draws[1] != draws[2] != draws[0]
    assert draws == [drawn(rank) for rank in range(3)]
    set_random_state(before)
    seeds = []
    for rank in range(2):
        shared = PatchBatches(folder / "memnet", batch=4, augment=True, seed=3, rank=rank, world=2)
        generator = loader(shared, first=0, last=1, workers=0).generator
        seeds.append(generator.initial_seed())
    assert seeds[0] == 3 != seeds[1]
