"""What `srlab upscale` says: progress with the time left, a line for each picture, a summary."""

import json
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from srlab.durations import duration
from srlab.upscaling.plan import Job
from srlab.upscaling.sources import STANDARD

if TYPE_CHECKING:
    from srlab.upscaling.batch import Outcome
    from srlab.upscaling.regions import Progress as Advance

INTERRUPTED = 130
"""The exit code after Ctrl-C, as shells have it."""


class Report:
    """What is said while pictures are enlarged, and when all are done."""

    def __init__(self, jobs: Sequence[Job], *, as_json: bool, dry_run: bool) -> None:
        self._jobs, self._json, self._dry_run = jobs, as_json, dry_run
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._files: list[dict[str, Any]] = []
        self._begin = time.monotonic()
        self.interrupted = False
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        wanted = [job for job in jobs if job.problem is None]
        self._wanted = len(wanted)
        self._task = self.progress.add_task("", total=sum(map(_pixels, wanted)))
        self._done = self._expected = self._number = 0

    def started(self, job: Job) -> "Advance":
        """A job begins; the result is told how many pixels are done."""
        self._number += 1
        name = f"{self._number}/{self._wanted} {job.source.relative.name}"
        self.progress.update(self._task, description=name)
        self._expected += _pixels(job)

        def advance(done: int) -> None:
            self._done += done
            self.progress.update(self._task, completed=self._done)

        return advance

    def ended(self, outcome: "Outcome") -> None:
        """A job has ended."""
        # A picture that failed counts as done, or the time left would never come to an end.
        self._done = self._expected
        self.progress.update(self._task, completed=self._done)
        job = outcome.job
        self._add(job, outcome.status, outcome.size, outcome.notes, outcome.reason, outcome.seconds)

    def warn(self, message: str) -> None:
        """What is worth knowing before the first picture."""
        self._say(f"warning: {message}")

    def planned(self, job: Job) -> None:
        """What would become of a job."""
        status = "planned" if job.problem is None else "exists" if job.exists else "failed"
        self._add(job, status, job.size, job.notes, job.problem, None)

    def end(self, model: str | None) -> int:
        """The summary; gives the exit code."""
        counts = {
            status: sum(file["status"] == status for file in self._files)
            for status in ("written", "planned", "exists", "failed")
        }
        if self._json:
            tree = {
                "model": model,
                "dry_run": self._dry_run,
                "interrupted": self.interrupted,
                **{name: count for name, count in counts.items() if name != "planned"},
                "seconds": round(time.monotonic() - self._begin, 2),
                "files": self._files,
            }
            print(json.dumps(tree, indent=2))
        if len(self._jobs) > 1 or self.interrupted:
            self._say(self._summary(counts))
        if self.interrupted:
            return INTERRUPTED
        return 1 if counts["exists"] or counts["failed"] else 0

    def _summary(self, counts: dict[str, int]) -> str:
        names = {
            "written": "enlarged",
            "planned": "would be enlarged",
            "exists": "already there",
            "failed": "failed",
        }
        parts = [f"{counts[key]} {name}" for key, name in names.items() if counts[key]]
        rest = len(self._jobs) - len(self._files)
        if rest:
            parts.append(f"{rest} not done")
        head = "stopped: " if self.interrupted else ""
        return f"{head}{', '.join(parts)} ({duration(time.monotonic() - self._begin)})"

    def _add(
        self,
        job: Job,
        status: str,
        size: tuple[int, int] | None,
        notes: Sequence[str],
        reason: str | None,
        seconds: float | None,
    ) -> None:
        target = STANDARD if job.target is None else str(job.target)
        self._files.append(
            {
                "input": job.source.name,
                "output": target if reason is None or job.exists else None,
                "status": status,
                "format": job.format.name if job.format and reason is None else None,
                "size": list(size) if size and reason is None else None,
                "seconds": None if seconds is None else round(seconds, 3),
                "notes": list(notes),
                "reason": reason,
            }
        )
        if reason is not None:
            self._say(f"{'' if job.exists else 'error: '}{job.source.name}: {reason}")
            return
        assert size is not None
        took = "" if seconds is None else f", {duration(seconds)}"
        would = "would write " if status == "planned" else ""
        changes = f"; {'; '.join(notes)}" if notes else ""
        self._say(f"{would}{job.source.name} -> {target} ({size[0]}x{size[1]}{took}{changes})")

    def _say(self, line: str) -> None:
        self._console.print(line, markup=False)


def _pixels(job: Job) -> int:
    header = job.header
    return header.size[0] * header.size[1] * header.frames if header is not None else 0
