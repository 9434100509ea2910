"""Every picture of a plan, one after the other; one that fails does not stop the others."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from srlab.errors import SrlabError
from srlab.upscaling.formats import refusal
from srlab.upscaling.model import Model
from srlab.upscaling.pillow_writer import Compression
from srlab.upscaling.plan import Job, Request
from srlab.upscaling.reading import read_picture
from srlab.upscaling.regions import Options, Progress
from srlab.upscaling.writing import replacing, to_standard_output, write_enlarged

Status = Literal["written", "exists", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    job: Job
    status: Status
    size: tuple[int, int] | None = None
    """(W, H) of what was written."""
    seconds: float = 0
    notes: tuple[str, ...] = ()
    """What changed in the picture, in words."""
    reason: str | None = None
    """Why nothing was written."""


def run(
    jobs: Sequence[Job],
    model: Model,
    request: Request,
    options: Options,
    *,
    started: Callable[[Job], Progress] = lambda job: lambda done: None,
    ended: Callable[[Outcome], None] = lambda outcome: None,
) -> None:
    """Enlarge what a plan says.

    Args:
        jobs: see `srlab.upscaling.plan.make_plan`.
        model, options: enlarge.
        request: what the plan was made from.
        started: told of each job before it is begun; gives what its progress is told to.
        ended: told of each job's end.
    """
    for job in jobs:
        if job.problem is not None:
            status: Status = "exists" if job.exists else "failed"
            ended(Outcome(job, status, reason=job.problem))
            continue
        begin = time.monotonic()
        try:
            size, notes = _enlarge(job, model, request, options, started(job))
        except SrlabError as error:
            ended(Outcome(job, "failed", reason=str(error)))
        except MemoryError:
            reason = "memory does not suffice; give a smaller --tile, or --format png or tiff"
            ended(Outcome(job, "failed", reason=reason))
        except Exception as error:  # a mistake in srlab must not cost the other pictures
            reason = " ".join(f"unexpected {type(error).__name__}: {error}".split())
            ended(Outcome(job, "failed", reason=reason))
        else:
            ended(Outcome(job, "written", size, time.monotonic() - begin, notes))


def _enlarge(
    job: Job, model: Model, request: Request, options: Options, progress: Progress
) -> tuple[tuple[int, int], tuple[str, ...]]:
    form = job.format
    assert form is not None
    with job.source.open() as file:
        picture = read_picture(file, megapixels=request.megapixels)
        size = request.sizing.of(picture.header.size)
        if (problem := refusal(form, picture.header, size)) is not None:
            raise SrlabError(problem)
        # What came without loss goes without loss, unless a quality says otherwise.
        lossless = picture.header.lossless and request.quality is None
        compression = Compression(request.quality, lossless and picture.header.format is form)
        with to_standard_output() if job.target is None else replacing(job.target) as out:
            notes = write_enlarged(out, picture, model, size, form, options, compression, progress)
    return size, (*picture.notes, *job.notes, *notes)
