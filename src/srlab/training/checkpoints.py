"""Checkpoints: the whole state of a training under way, so that it can go on after any end.

A checkpoint is written under a temporary name, brought to the disk and renamed, so that what has a
checkpoint's name is whole. Should the disk lose it all the same, its digest tells, and the one
before it is used. The folder's name holds a fingerprint of params, data, code and the number of
processes: a checkpoint of others is never read.
"""

import hashlib
import io
import os
import re
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
from filelock import FileLock, Timeout

from srlab.errors import SrlabError

_KEPT = 2
_FORMAT = b"srlab checkpoint 1 "
_LARGEST_SHARE = 0.02
"""Of the training time, that writing checkpoints may take."""


class Checkpoints(Protocol):
    """Where a training keeps its state."""

    def load(self) -> dict[str, Any] | None:
        """The newest state that is whole; None where there is none."""

    def due(self) -> bool:
        """Whether it is time to keep the state."""

    def save(self, state: dict[str, Any], step: int) -> None:
        """Keep the state after a step: tensors, numbers, text, and lists and dicts of them."""

    def remove(self) -> None:
        """Forget everything: the training has ended well."""


class NoCheckpoints:
    """Keeps nothing."""

    def load(self) -> dict[str, Any] | None:
        return None

    def due(self) -> bool:
        return False

    def save(self, state: dict[str, Any], step: int) -> None: ...

    def remove(self) -> None: ...


class CheckpointFolder:
    """Checkpoints of one training in a folder of its own.

    Where another process trains the same, nothing is kept or read: the two would disturb each
    other. Where the disk is full, training goes on, and a line says which checkpoint is the last.

    Args:
        folder: named `NAME-FINGERPRINT`; folders of the same name with other fingerprints belong
            to trainings with other params, data, code or number of processes.
        seconds: between two checkpoints, SRLAB_CHECKPOINT_SECONDS or two minutes by default; more
            where writing one takes longer than 2 % of it.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder = folder
        self._name, _, self._fingerprint = folder.name.rpartition("-")
        self._seconds = _interval() if seconds is None else seconds
        self._clock = clock
        self._last = clock()
        self._lock = FileLock(folder.parent / f"{folder.name}.lock")
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            self._say("another process trains the same; this one keeps no checkpoints")
        self._say_what_is_not_used()

    def load(self) -> dict[str, Any] | None:
        if not self._lock.is_locked:
            return None
        for path in reversed(self._paths()):
            try:
                return _read(path)
            except (OSError, ValueError, RuntimeError) as error:
                self._say(f"{path} is damaged ({error}); the one before it is used, if any")
        return None

    def due(self) -> bool:
        return self._lock.is_locked and self._clock() - self._last >= self._seconds

    def save(self, state: dict[str, Any], step: int) -> None:
        if not self._lock.is_locked:
            return
        start = self._clock()
        path = self._folder / f"step-{step:010}.checkpoint"
        partial = path.with_suffix(".partial")
        try:
            _write(state, partial)
            os.replace(partial, path)
            _sync(self._folder)
            for old in self._paths()[:-_KEPT]:
                old.unlink()
        except OSError as error:
            partial.unlink(missing_ok=True)
            kept = [path.stem for path in self._paths()[-1:]]
            self._say(f"no checkpoint could be written ({error}); the last is {kept or 'none'}")
        self._last = self._clock()
        self._seconds = max(self._seconds, (self._last - start) / _LARGEST_SHARE)

    def remove(self) -> None:
        if self._lock.is_locked:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._lock.release()
            Path(self._lock.lock_file).unlink(missing_ok=True)

    def _paths(self) -> list[Path]:
        return sorted(self._folder.glob("step-*.checkpoint"))

    def _say_what_is_not_used(self) -> None:
        for other in sorted(self._folder.parent.glob(f"{self._name}-*/")):
            same = re.fullmatch(rf"{re.escape(self._name)}-[0-9a-f]+", other.name)
            if same and other != self._folder and any(other.glob("*.checkpoint")):
                self._say(
                    f"{other} is of other params, data or code, or of another number of "
                    "processes, and is not used"
                )

    def _say(self, text: str) -> None:
        print(f"{self._name}  {text}", file=sys.stderr, flush=True)


def _interval() -> float:
    value = os.environ.get("SRLAB_CHECKPOINT_SECONDS", "120")
    try:
        seconds = float(value)
    except ValueError:
        seconds = -1
    if not seconds >= 0:
        raise SrlabError(f"SRLAB_CHECKPOINT_SECONDS is {value!r}; it must be a number of seconds")
    return seconds


def _write(state: dict[str, Any], path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getbuffer()
    with path.open("wb") as file:
        file.write(_FORMAT + hashlib.sha256(content).hexdigest().encode() + b"\n")
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        head = file.readline(200)
        content = file.read()
    if head != _FORMAT + hashlib.sha256(content).hexdigest().encode() + b"\n":
        raise ValueError("its digest does not fit")
    state: dict[str, Any] = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    return state


def _sync(folder: Path) -> None:
    """Bring a rename to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
