"""How stages start and end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import ROOT

STAGE = """
import os, time
from pathlib import Path
from pipeline.stage import start

def main():
    Path("started").write_text(str(os.getpid()))
    try:
        time.sleep(60)
    finally:
        Path("ended").write_text("")

start(main)
"""
STARTER = "import subprocess, sys; subprocess.run([sys.executable, 'stage.py'])"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_stage_ends_with_the_dvc_that_started_it(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "stage.py").write_text(STAGE)
    dvc = subprocess.Popen(
        [sys.executable, "-c", STARTER, "dvc repro"],
        cwd=tmp_path,
        env={**os.environ, "DVC_STAGE": "made", "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
    )
    stage = psutil.Process(int(_content(tmp_path / "started")))
    dvc.send_signal(number)
    dvc.wait(timeout=30)
    try:
        stage.wait(timeout=30)
    finally:
        if stage.is_running():
            stage.kill()
    assert (tmp_path / "ended").exists()


def _content(path: Path) -> str:
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline, f"{path} is not written"
        time.sleep(0.05)
    return path.read_text()
