"""What a killed DVC leaves half written is repaired, and nothing else is touched."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from dvc.lock import make_lock

from srlab.errors import SrlabError
from srlab.mending import mend

WHOLE = (ROOT / "dvc.lock").read_text()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    (tmp_path / "dvc.lock").write_text(WHOLE)
    return tmp_path


def held_by(project: Path, pid: int, folder: str = "") -> Path:
    path = project / ".dvc" / "tmp" / folder / "rwlock"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"write": {"/out": {"pid": pid, "cmd": "dvc repro"}}}))
    return path


def test_what_is_whole_stays(project: Path) -> None:
    held_by(project, os.getpid()).write_text("{}")
    assert mend(project) == []
    assert (project / "dvc.lock").read_text() == WHOLE
    assert (project / ".dvc" / "tmp" / "rwlock").exists()


@pytest.mark.parametrize("size", [0, 5, *range(8192, len(WHOLE), 8192), len(WHOLE) - 2])
def test_a_half_lock_file_is_replaced_by_the_commits(project: Path, size: int) -> None:
    for command in ("init -q", "add dvc.lock", "-c user.name=t -c user.email=t@e commit -qm start"):
        subprocess.run(["git", *command.split()], cwd=project, check=True)
    (project / "dvc.lock").write_text(WHOLE[:size])
    (line,) = mend(project)
    assert "dvc.lock was half written; it is the last commit's" in line
    assert (project / "dvc.lock").read_text() == WHOLE


@pytest.mark.parametrize("last", ["      hash: md5\n", "      md5: 0\n"])
def test_a_lock_file_that_is_cut_at_the_end_of_a_line_is_half(project: Path, last: str) -> None:
    start = "schema: '2.0'\nstages:\n  train:\n    cmd: python\n    deps:\n    - path: data\n"
    (project / "dvc.lock").write_text(start + last)
    assert "half written" in mend(project)[0]


def test_a_half_lock_file_that_git_does_not_know_is_removed(project: Path) -> None:
    (project / "dvc.lock").write_text(WHOLE[:9000])
    (line,) = mend(project)
    assert "it is gone" in line
    assert not (project / "dvc.lock").exists()


@pytest.mark.parametrize("content", ["", '{"write": {"a', "[1]", '{"write": {"/out": {}}}'])
def test_a_half_written_rwlock_is_removed(project: Path, content: str) -> None:
    path = held_by(project, 1)
    path.write_text(content)
    (line,) = mend(project)
    assert "rwlock was half written" in line
    assert not path.exists()


def test_a_rwlock_whose_number_another_program_has_is_removed(project: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        path = held_by(project, other.pid)
        (line,) = mend(project)
        other.kill()
    assert "held by a DVC that has ended" in line
    assert not path.exists()


def test_the_rwlock_of_experiments_is_looked_at_too(project: Path) -> None:
    path = held_by(project, 1, "exps")
    path.write_text("")
    assert len(mend(project)) == 1
    assert not path.exists()


def test_a_rwlock_that_a_dvc_holds_stays(project: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(60)", "dvc repro"]
    with subprocess.Popen(command) as dvc:
        path = held_by(project, dvc.pid)
        assert mend(project) == []
        dvc.kill()
    assert path.exists()


def test_a_project_that_dvc_is_at_work_in_is_left_alone(project: Path) -> None:
    (project / "dvc.lock").write_text("")
    with (
        make_lock(str(project / ".dvc" / "tmp" / "lock")),
        pytest.raises(SrlabError, match="DVC is at work"),
    ):
        mend(project)
    assert (project / "dvc.lock").read_text() == ""


def test_a_folder_without_dvc_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SrlabError, match="no DVC project"):
        mend(tmp_path)
