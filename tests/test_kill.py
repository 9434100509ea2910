"""A pipeline that is killed three times ends as one that is not; `kill_repro.py` kills it more."""

import random
import shutil
from pathlib import Path

import pytest
import yaml
from clones import START, clone, run
from conftest import TRAINING_STEPS, Undisturbed
from kill_repro import complaints, plan_kills, run_killed

TRAININGS = ("train_memnet", "train_srresnet", "train_srgan")


@pytest.fixture
def untrained(undisturbed: Undisturbed, tmp_path: Path) -> Path:
    """A clone in which everything has run but the trainings, and they nowhere."""
    # Of the same commit as the undisturbed run: results name theirs.
    folder = clone(undisturbed.folder, tmp_path / "killed", START)
    run(folder, "git", "checkout", "-q", "origin/HEAD", "--", ".")
    run(folder, "dvc", "pull", "-q")
    lock = yaml.safe_load((folder / "dvc.lock").read_text())
    for stage in TRAININGS:
        for out in lock["stages"].pop(stage)["outs"]:
            path = folder / out["path"]
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    (folder / "dvc.lock").write_text(yaml.safe_dump(lock, sort_keys=False))
    return folder


@pytest.mark.kill
def test_three_kills_lose_nothing(undisturbed: Undisturbed, untrained: Path) -> None:
    kills = plan_kills(3, undisturbed.seconds, TRAINING_STEPS, random.Random(0))
    assert {kill.stage for kill in kills} == set(TRAININGS)
    course = run_killed(untrained, kills, undisturbed.seconds)
    assert complaints(undisturbed.folder, untrained) == []
    assert len(course.killed) == 3
    assert course.resumed > 0
