"""A pipeline that is killed three times ends as one that is not; `kill_repro.py` kills it more."""

import random
from pathlib import Path

import pytest
from clones import START, clone
from conftest import TRAINING_STEPS, Undisturbed
from kill_repro import complaints, plan_kills, run_killed


@pytest.mark.kill
def test_three_kills_lose_nothing(undisturbed: Undisturbed, tmp_path: Path) -> None:
    killed = clone(undisturbed.folder, tmp_path / "killed", START)
    kills = plan_kills(3, undisturbed.seconds, TRAINING_STEPS, random.Random(0))
    assert {kill.stage for kill in kills} == {"train_memnet", "train_srresnet", "train_srgan"}
    course = run_killed(killed, kills, undisturbed.seconds)
    assert complaints(undisturbed.folder, killed) == []
    assert len(course.killed) == 3
    assert course.resumed > 0
