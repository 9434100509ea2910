import errno
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from srlab.errors import SrlabError
from srlab.training import checkpoints as module
from srlab.training.checkpoints import CheckpointFolder
from srlab.training.random_state import random_state, set_random_state


def state(step: int) -> dict:
    return {"step": step, "weights": {"w": torch.full((3,), float(step))}, "pending": [(1, {})]}


def saved(folder: Path, *steps: int) -> CheckpointFolder:
    kept = CheckpointFolder(folder, seconds=0)
    for step in steps:
        kept.save(state(step), step)
    return kept


def reopened(kept: CheckpointFolder, folder: Path) -> CheckpointFolder:
    """As a new process would find it: the lock of a process that ended is free."""
    kept._lock.release()
    return CheckpointFolder(folder, seconds=0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "resume" / "memnet-0123abcd"


def test_the_newest_state_is_loaded_and_the_two_last_are_kept(folder: Path) -> None:
    kept = saved(folder, 10, 20, 30)
    found = reopened(kept, folder).load()
    assert found is not None
    assert found["step"] == 30
    assert torch.equal(found["weights"]["w"], torch.full((3,), 30.0))
    assert [path.name for path in sorted(folder.iterdir())] == [
        "step-0000000020.checkpoint",
        "step-0000000030.checkpoint",
    ]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "foreign"])
def test_a_damaged_checkpoint_is_passed_over(folder: Path, damage: str, capsys) -> None:
    kept = saved(folder, 10, 20)
    newest = folder / "step-0000000020.checkpoint"
    content = bytearray(newest.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    newest.write_bytes(
        {"cut": content[:-9], "flipped": content, "empty": b"", "foreign": b"srlab\n" * 9}[damage]
    )
    found = reopened(kept, folder).load()
    assert found is not None
    assert found["step"] == 10
    assert "step-0000000020.checkpoint is damaged" in capsys.readouterr().err


def test_an_unfinished_file_is_no_checkpoint(folder: Path) -> None:
    kept = saved(folder)
    (folder / "step-0000000010.partial").write_bytes(b"half")
    assert reopened(kept, folder).load() is None


def test_another_fingerprint_is_not_used_and_said(folder: Path, capsys) -> None:
    saved(folder, 10)
    other = CheckpointFolder(folder.with_name("memnet-ffff0000"), seconds=0)
    assert other.load() is None
    assert f"{folder} is of other params, data or code" in capsys.readouterr().err
    CheckpointFolder(folder.with_name("srgan-ffff0000"), seconds=0)
    assert capsys.readouterr().err == ""


def test_two_that_train_the_same_do_not_share(folder: Path, capsys) -> None:
    first = saved(folder, 10)
    second = CheckpointFolder(folder, seconds=0)
    assert second.load() is None
    second.save(state(99), 99)
    second.remove()
    assert "another process trains the same" in capsys.readouterr().err
    found = first.load()
    assert found is not None
    assert found["step"] == 10


def test_a_full_disk_costs_the_checkpoint_and_not_the_training(folder, monkeypatch, capsys) -> None:
    kept = saved(folder, 10)

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.os, "fsync", full)
    kept.save(state(20), 20)
    said = capsys.readouterr().err
    assert "No space left" in said
    assert "step-0000000010" in said
    assert [path.name for path in folder.iterdir()] == ["step-0000000010.checkpoint"]


def test_checkpoints_are_due_by_time_and_cost_at_most_two_percent(folder: Path) -> None:
    now = 0.0
    kept = CheckpointFolder(folder, seconds=100, clock=lambda: now)
    now = 99.0
    assert not kept.due()
    now = 100.0
    assert kept.due()

    def slow_clock() -> float:
        nonlocal now
        now += 5.0  # writing takes five seconds
        return now

    kept._clock = slow_clock
    kept.save(state(1), 1)
    kept._clock = lambda: now
    now += 249
    assert not kept.due()
    now += 1
    assert kept.due()


def test_nothing_is_left_of_a_training_that_ended_well(folder: Path) -> None:
    saved(folder, 10, 20).remove()
    assert list(folder.parent.iterdir()) == []


def test_a_wrong_interval_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRLAB_CHECKPOINT_SECONDS", "often")
    with pytest.raises(SrlabError, match="SRLAB_CHECKPOINT_SECONDS is 'often'"):
        CheckpointFolder(folder)


def test_every_generator_goes_on_where_it_was(folder: Path) -> None:
    def draw() -> tuple:
        import random

        return random.random(), float(np.random.rand()), torch.rand(3).tolist()

    draw()
    kept = saved(folder)
    kept.save({"random": random_state()}, 1)
    expected = draw()
    draw()
    found = reopened(kept, folder).load()
    assert found is not None
    set_random_state(found["random"])
    assert draw() == expected
