"""Which process a run belongs to, and whether it is still there.

A process that has a run holds a lock file of its own in the project's folder, and the run has its
name as a tag. The system lets go of the lock when the process ends, however it ends: a lock file
that can be locked belongs to a process that is gone. Runs of other machines and folders have no
lock file here and are left alone. (Machines that share the folder must share its locks.)
"""

import contextlib
import hashlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from srlab.tracking.store import Store, runs_folder
from srlab.tracking.warn import warn

TAG = "owner"


class Owner:
    """This process, as the owner of a run.

    Args:
        uri: the store of the run.

    Attributes:
        name: what the run carries as a tag.
    """

    def __init__(self, uri: str) -> None:
        self.name = f"{_digest(uri)}-{uuid.uuid4().hex}"
        self._path = _path(self.name)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self._path)
        self._lock.acquire(timeout=0)

    def seen(self) -> None:
        """Note that the run was heard of now."""
        with contextlib.suppress(FileNotFoundError):  # somebody emptied the folder
            os.utime(self._path)

    def leave(self, *, settled: bool) -> None:
        """Let go of the run.

        Args:
            settled: whether the store knows that it has ended; if not, the next start tells it.
        """
        if settled:
            self._path.unlink(missing_ok=True)
        self._lock.release()


def end_orphans(store: Store) -> None:
    """Set runs to KILLED whose process is gone, as of when they were last heard of.

    To be called while no other process of the project opens a run, see `srlab.tracking.opening`.
    """
    for owner, last_seen in _gone(store.uri):
        waiting = f"tags.{TAG} = '{owner}' and attributes.status = 'RUNNING'"
        for run in store.client.search_runs([store.experiment_id], waiting):
            store.client.set_terminated(run.info.run_id, "KILLED", end_time=last_seen)
            warn(f"run {run.info.run_id} ended without saying so; it is marked as KILLED")
        _path(owner).unlink(missing_ok=True)


def _gone(uri: str) -> Iterator[tuple[str, int]]:
    for path in sorted(runs_folder().glob(f"{_digest(uri)}-*.lock")):
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        lock.release()
        yield path.stem, int(path.stat().st_mtime * 1000)


def _path(owner: str) -> Path:
    return runs_folder() / f"{owner}.lock"


def _digest(uri: str) -> str:
    """A run that lies in another store is not looked for in this one."""
    return hashlib.sha256(uri.encode()).hexdigest()[:8]
