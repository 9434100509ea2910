"""DVC's experiment queue: put in, start, watch, take out.

What changes the user's files or starts processes goes through DVC's command line, as a user would
do it; what only looks uses its objects, since a command costs a second or two and this looks often.
"""

import contextlib
import io
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Literal

import psutil

from srlab.errors import SrlabError

State = Literal["queued", "running", "failed", "absent"]

_SECONDS_TO_STOP = 30.0


class ExperimentQueue:
    """The queue of one project.

    Args:
        project: its folder, the working directory.

    Raises:
        SrlabError: it is no DVC project in git.
    """

    def __init__(self, project: Path) -> None:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo

        self._project = project
        try:
            self._queue: Any = Repo(str(project)).experiments.celery_queue
        except DvcException as error:
            reason = " ".join(str(error).split())
            raise SrlabError(f"{project}: not a DVC project in git ({reason})") from None
        # DVC asks for the results of Celery's current application: this makes it the queue's.
        self._worker_files = Path(self._queue.celery.wdir)

    def put(self, name: str, target: str, overrides: Sequence[str]) -> None:
        """Queue an experiment: the work tree's tracked files, with changed params.

        Args:
            name: of the experiment.
            target: the stage to reproduce, with what it depends on.
            overrides: `key=value` in Hydra's grammar, as `dvc exp run -S` takes them.

        Raises:
            SrlabError: DVC refuses.
        """
        changes = [word for override in overrides for word in ("-S", override)]
        # DVC takes the user's changes aside for a moment; to be interrupted then would lose them.
        with _without_interrupts():
            self._dvc("exp", "run", "--queue", "--name", name, *changes, target)

    def start(self, jobs: int) -> None:
        """Let so many workers empty the queue; see `dismiss`."""
        self._dvc("queue", "start", "--jobs", str(jobs))

    def dismiss(self) -> None:
        """End the workers, unless there is something to do.

        They should end by themselves when the queue is empty. But where several look at once, one
        may find a message half written, and then it stays for ever (DVC's issue 10428).
        """
        if not [*self._queue.iter_queued(), *self._queue.iter_active()]:
            self.stop([])

    def states(self, names: Sequence[str]) -> dict[str, State]:
        """Where each experiment is; absent: it succeeded, or was never there."""
        found: dict[str, State] = {}
        listed: list[tuple[State, Iterator]] = [
            ("queued", self._queue.iter_queued()),
            ("running", self._queue.iter_active()),
            ("failed", (entry for entry, _ in self._queue.iter_failed())),
        ]
        # Each is looked at after the one before it, and entries move this way: none is missed.
        for state, entries in listed:
            found |= {entry.name: state for entry in entries}
        return {name: found.get(name, "absent") for name in names}

    def others(self, names: Sequence[str]) -> list[str]:
        """Experiments that wait in the queue, besides the named ones."""
        return [
            entry.name or entry.stash_rev[:7]
            for entry in self._queue.iter_queued()
            if entry.name not in names
        ]

    def log(self, name: str) -> list[str]:
        """The lines that an experiment has printed, while it runs or after it failed."""
        entries = [
            *self._queue.iter_active(),
            *(entry for entry, _ in self._queue.iter_failed()),
        ]
        for entry in entries:
            if entry.name == name and (process := self._queue.proc.get(entry.stash_rev)):
                with contextlib.suppress(OSError):
                    text = Path(process.stdout).read_text(encoding="utf-8", errors="replace")
                    return [line.rstrip() for line in text.splitlines() if line.strip()]
        return []

    def forget(self, names: Sequence[str]) -> None:
        """Take experiments out of the queue and its history; their results stay."""
        listed = {
            entry.name
            for entry in (
                *self._queue.iter_queued(),
                *(entry for entry, _ in self._queue.iter_done()),
            )
        }
        if gone := [name for name in names if name in listed]:
            self._queue.remove(gone)

    def workers(self) -> list[psutil.Process]:
        """The workers that are alive."""
        alive = []
        for file in self._worker_files.glob("dvc-exp-worker-*.pid"):
            with contextlib.suppress(OSError, ValueError, psutil.Error):
                process = psutil.Process(int(file.read_text()))
                # Another process may have got the number of one that ended.
                if "queue-worker" in process.cmdline():
                    alive.append(process)
        return alive

    def stop(self, names: Sequence[str]) -> None:
        """Interrupt the named experiments, take them out of the queue, and end the workers.

        Returns when no worker is left. Where somebody else's experiment runs, its worker ends after
        it, and is not waited for. Ctrl-C has no effect meanwhile.
        """
        with _without_interrupts():
            if self.workers():
                self._queue.celery.control.shutdown()
            self._end(set(names))
            self.forget(names)

    def _end(self, names: Set[str]) -> None:
        from dvc.exceptions import DvcException

        interrupted: set[str] = set()
        deadline = time.monotonic() + _SECONDS_TO_STOP
        while workers := self.workers():
            running = {entry.name: entry.stash_rev for entry in self._queue.iter_active()}
            for name in (running.keys() & names) - interrupted:
                if self._interrupt(running[name]):
                    interrupted.add(name)
            if running.keys() - names:
                if not running.keys() & names:
                    return
            elif time.monotonic() > deadline:
                for worker in workers:
                    _signal(worker.pid, signal.SIGKILL)
            time.sleep(0.5)
        # What counts as running without a worker has no process any more: DVC makes it a failure.
        for entry in list(self._queue.iter_active()):
            if entry.name in names:
                with contextlib.suppress(DvcException), _silence():
                    self._queue.kill([entry.name])

    def _interrupt(self, stash_rev: str) -> bool:
        """Ctrl-C for an experiment and its stage, not for its worker, which has to clean up.

        False while it is still being set up.
        """
        process = self._queue.proc.get(stash_rev)
        return process is not None and _signal(process.pid, signal.SIGINT)

    def _dvc(self, *arguments: str) -> None:
        # `dvc` and the stages' `python` are those of the environment that this runs in.
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        # A file, since workers inherit the output, and would keep a pipe open until they end.
        with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
            done = subprocess.run(
                ["dvc", *arguments],
                cwd=self._project,
                env={**os.environ, "PATH": path},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C is for this process, which stops the queue in good order.
                start_new_session=True,
            )
            if done.returncode:
                output.seek(0)
                reason = " ".join(output.read().split())
                raise SrlabError(f"dvc {' '.join(arguments[:2])} refused: {reason}")


def _signal(pid: int, number: signal.Signals) -> bool:
    """Send a signal to a process and all that it started; whether there is such a process."""
    try:
        process = psutil.Process(pid)
        family = [*process.children(recursive=True), process]
    except psutil.NoSuchProcess:
        return False
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.send_signal(number)
    return True


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep DVC and Celery from telling what is expected here."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Let Ctrl-C and terminations wait until the end of a `with` block, also for its children."""
    signals = {signal.SIGINT, signal.SIGTERM}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def hydra_overrides(overrides: Mapping[str, Any]) -> list[str]:
    """Changes of params as `dvc exp run -S` takes them.

    >>> hydra_overrides({"memnet.loss": "l1", "evaluate.scales": [2, 4], "memnet.x": None})
    ['memnet.loss="l1"', 'evaluate.scales=[2, 4]', 'memnet.x=null']
    >>> hydra_overrides({"memnet.teacher": {"model": "memnet", "weight": 1e3}})
    ['memnet.teacher={model: "memnet", weight: 1000.0}']
    """
    return [f"{key}={_hydra_value(value)}" for key, value in overrides.items()]


def _hydra_value(value: Any) -> str:
    # JSON is part of Hydra's grammar, but for the quotes around keys.
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}: {_hydra_value(item)}' for key, item in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_hydra_value, value))}]"
    return json.dumps(value)
