"""What the tests share: images made here, the folder of real ones, params made small."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clones import commit, make_repository, run
from followed_repro import FollowedRepro, run_undisturbed
from made_store import make_store
from xdist.scheduler import LoadFileScheduling

from srlab.data.images import write_png
from srlab.params import Params, load_params
from srlab.tracking import patience

os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DVC_NO_ANALYTICS"] = "true"

pytest_plugins = ["chromium"]

ROOT = Path(__file__).parent.parent
OF_ONE_PIPELINE = ("test_experiments", "test_kill", "test_pipeline")
"""The files whose tests look at the fixture `undisturbed`, which takes minutes to make."""
TRAINING_STEPS = 150
"""Of the pipeline that tests run through DVC."""
MIRROR = Path(os.environ.get("SRLAB_MIRROR", ROOT.parent / "shared"))


class _ByFixture(LoadFileScheduling):
    """Tests of a file stay in one process, and so do those of all files that share a pipeline."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "the pipeline" if Path(file).stem in OF_ONE_PIPELINE else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    return _ByFixture(config, log)


def pytest_configure() -> None:
    # As many processes as processors test side by side.
    if "PYTEST_XDIST_WORKER" in os.environ:
        torch.set_num_threads(1)
    # In the background of a shell Ctrl-C is ignored, also by what tests start and interrupt.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with what takes longest."""
    items.sort(key=lambda item: item.path.stem not in OF_ONE_PIPELINE)


@pytest.fixture(autouse=True)
def _outside_of_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI", "SRLAB_MIRROR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def benchmarks() -> Path:
    """The folder of the real benchmark images."""
    folder = MIRROR / "datasets"
    if not (folder / "set5").is_dir():
        pytest.skip(f"no benchmark images in {folder}; set SRLAB_MIRROR")
    return folder


@pytest.fixture(scope="session")
def smoke() -> Params:
    return load_params(ROOT / "profiles" / "smoke.yaml")


@pytest.fixture
def photo() -> np.ndarray:
    return make_photo(70, 90)


def make_photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colours, edges and some noise: uint8 (H, W, 3)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 16
    waves = [np.sin(x * random.uniform(0.5, 2) + y * random.uniform(0.5, 2)) for _ in range(3)]
    image = 127 + 80 * np.stack(waves, axis=-1)
    image[height // 3 : height // 2, width // 4 : width // 2] += 60
    image += random.normal(0, 4, image.shape)
    return image.clip(0, 255).astype(np.uint8)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A dataset of three photos, one of them grey."""
    folder = tmp_path / "raw" / "made"
    folder.mkdir(parents=True)
    for index in range(3):
        pixels = make_photo(70 + 7 * index, 90 - 5 * index, seed=index)
        write_png(folder / f"photo{index}.png", pixels[..., 0] if index == 2 else pixels)
    return folder


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project with an empty MLflow store, which is asked once and not again."""
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    monkeypatch.setattr(patience, "_PAUSES", ())
    return make_store(tmp_path)


@dataclass(frozen=True)
class Undisturbed:
    """A pipeline that ran through without a disturbance."""

    folder: Path
    """A repository; `clones.START` is the commit before, HEAD has the results."""
    repro: FollowedRepro
    """What ran it."""


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The smoke profile, trained a little longer, and its results pushed to a remote."""
    trainings = ("memnet", "srresnet", "srgan")
    changes = {f"{name}.budget.steps": TRAINING_STEPS for name in trainings}
    folder = make_repository(tmp_path_factory.mktemp("srlab") / "repository", changes)
    repro = run_undisturbed(folder)
    commit(folder, "results")
    run(folder, "dvc", "push", "-q")
    return Undisturbed(folder, repro)


@pytest.fixture(scope="session")
def repository(undisturbed: Undisturbed) -> Path:
    """A repository in which the smoke profile has run through. Experiments belong into clones."""
    return undisturbed.folder
