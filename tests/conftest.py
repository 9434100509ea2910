"""What the tests share: images made here, the folder of real ones, params made small."""

import json
import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from clones import commit, make_repository, run
from filelock import FileLock
from followed_repro import run_undisturbed
from made_store import make_store

from srlab.data.images import write_png
from srlab.params import Params, load_params
from srlab.tracking import patience

os.environ["MLFLOW_DISABLE_TELEMETRY"] = os.environ["DVC_NO_ANALYTICS"] = "true"

pytest_plugins = ["chromium"]

ROOT = Path(__file__).parent.parent
FIRST = ("test_kill", "test_tracking", "test_experiments", "test_distributed", "test_studies")
"""The files that take longest, in the order in which they start.

The first of them makes the repository that some wait for, while others that need none are tested.
"""
TRAINING_STEPS = 150
"""Of the pipeline that tests run through DVC."""
MIRROR = Path(os.environ.get("SRLAB_MIRROR", ROOT.parent / "shared"))


def pytest_configure() -> None:
    # As many processes as processors test side by side.
    if "PYTEST_XDIST_WORKER" in os.environ:
        torch.set_num_threads(1)
    # In the background of a shell Ctrl-C is ignored, also by what tests start and interrupt.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with what takes longest."""
    order = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))


@pytest.fixture(autouse=True)
def _outside_of_dvc(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI", "SRLAB_MIRROR"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def threads() -> Iterator[None]:
    """torch's threads are as many behind a test as before it."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


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
    seconds: dict[str, float]
    """Of each stage."""


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """The smoke profile, trained a little longer, and its results pushed to a remote.

    The first process that wants it makes it, for all.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder, seconds = shared / "undisturbed" / "repository", shared / "undisturbed.json"
    with FileLock(shared / "undisturbed.lock"):
        if not seconds.is_file():
            trainings = ("memnet", "srresnet", "srgan")
            changes = {f"{name}.budget.steps": TRAINING_STEPS for name in trainings}
            made = run_undisturbed(make_repository(folder, changes))
            commit(folder, "results")
            run(folder, "dvc", "push", "-q")
            seconds.write_text(json.dumps(made))
    return Undisturbed(folder, json.loads(seconds.read_text()))


@pytest.fixture(scope="session")
def repository(undisturbed: Undisturbed) -> Path:
    """A repository in which the smoke profile has run through. Experiments belong into clones."""
    return undisturbed.folder
