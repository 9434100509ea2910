"""A `dvc repro` under way: where it is, and ways to end it."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
from clones import ENVIRONMENT

_SECONDS_TO_END = 60.0


class FollowedRepro:
    """`dvc repro` in a process group of its own, as a shell would start it.

    Args:
        folder: of dvc.yaml.
        environment: variables to add.

    Attributes:
        started: (stage, seconds since the start), for each stage that was run so far.
        lines: what was printed so far.
    """

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.started: list[tuple[str, float]] = []
        self.lines: list[str] = []
        self._folder = folder
        self._start = time.monotonic()
        self._changed = threading.Condition()
        self._process = subprocess.Popen(
            ["dvc", "repro"],
            cwd=folder,
            env={**ENVIRONMENT, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def stage(self) -> str | None:
        """The last stage that was started."""
        return self.started[-1][0] if self.started else None

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def reach(self, stages: Mapping[str, float], *, step: int = 0) -> bool:
        """Wait until one of some stages has run for so long; whether DVC is still at work then.

        Args:
            stages: any of them, with the seconds to wait in it.
            step: if it is a training, wait for a checkpoint of this step or a later one first.
        """
        with self._changed:
            self._changed.wait_for(lambda: self.stage in stages or not self._reader.is_alive())
        stage = self.stage
        if step and stage is not None and stage.startswith("train_"):
            while self.stage == stage and self._is_alive() and self._checkpoint(stage) < step:
                time.sleep(0.01)
        deadline = time.monotonic() + stages.get(self.stage or "", 0)
        while time.monotonic() < deadline and self._is_alive():
            time.sleep(0.01)
        return self._is_alive()

    def seconds(self) -> dict[str, float]:
        """Of each stage that was run, with what DVC did after it."""
        times = [*(when for _, when in self.started), time.monotonic() - self._start]
        return {
            stage: end - start for (stage, start), end in zip(self.started, times[1:], strict=True)
        }

    def signal_all(self, number: signal.Signals) -> None:
        """To DVC and its stage, as a terminal does for Ctrl-C."""
        os.killpg(self._process.pid, number)

    def signal_dvc(self, number: signal.Signals) -> None:
        """To DVC alone."""
        self._process.send_signal(number)

    def signal_stage(self, number: signal.Signals) -> bool:
        """To the stage alone; False while none runs."""
        try:
            for child in psutil.Process(self._process.pid).children(recursive=True):
                if any(word.startswith("pipeline.") for word in child.cmdline()):
                    child.send_signal(number)
                    return True
        except psutil.NoSuchProcess:
            pass
        return False

    def wait(self) -> int:
        """The exit code, when all processes that it started are gone, too.

        Raises:
            TimeoutError: one of them stays.
        """
        code = self._process.wait()
        deadline = time.monotonic() + _SECONDS_TO_END
        while _group_is_alive(self._process.pid):
            if time.monotonic() > deadline:
                raise TimeoutError(f"dvc repro has ended, but not what it started:\n{self.output}")
            time.sleep(0.05)
        self._reader.join()
        return code

    def _is_alive(self) -> bool:
        return self._process.poll() is None

    def _checkpoint(self, stage: str) -> int:
        """The step of a training's newest checkpoint; -1 if there is none."""
        name = stage.removeprefix("train_")
        found = (self._folder / ".srlab" / "resume").glob(f"{name}-*/step-*.checkpoint")
        return max((int(path.stem.removeprefix("step-")) for path in found), default=-1)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            now = time.monotonic() - self._start
            with self._changed:
                self.lines.append(line.rstrip())
                if "Running stage" in line:
                    self.started.append((line.split("'")[1], now))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()


def run_undisturbed(folder: Path) -> dict[str, float]:
    """Run the pipeline to its end: stage -> seconds, with what DVC did after it."""
    repro = FollowedRepro(folder)
    assert repro.wait() == 0, repro.output
    return repro.seconds()


def _group_is_alive(group: int) -> bool:
    for process in psutil.process_iter():
        try:
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
        except (psutil.NoSuchProcess, ProcessLookupError):
            continue
    return False
