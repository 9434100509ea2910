"""What will be written where, known and checked before anything is computed."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from srlab.errors import SrlabError
from srlab.upscaling.formats import Format, Header, conversions, refusal
from srlab.upscaling.places import Place, find_place
from srlab.upscaling.reading import LARGEST_MEGAPIXELS, read_header
from srlab.upscaling.sizes import Sizing
from srlab.upscaling.sources import Source, find_sources


@dataclass(frozen=True)
class Request:
    """What somebody wants enlarged."""

    inputs: Sequence[str]
    """Files, folders, glob patterns, or `-`."""
    output: str | None = None
    """A file, a folder, or `-`; None: beside the inputs, with the scale in the name."""
    sizing: Sizing = field(default_factory=Sizing)
    format: Format | None = None
    """Of the results; None: that of the output's suffix, else that of each input."""
    quality: int | None = None
    """1 to 100, where compression loses something."""
    overwrite: bool = False
    """Replace what is there already."""
    megapixels: float = LARGEST_MEGAPIXELS
    """Of an input, at most."""


@dataclass(frozen=True)
class Job:
    """One picture to enlarge, or the reason why not."""

    source: Source
    target: Path | None = None
    """None for standard output, or where there is a problem."""
    format: Format | None = None
    """Of the result."""
    header: Header | None = None
    """What the source says of itself."""
    size: tuple[int, int] | None = None
    """(W, H) of the result."""
    notes: tuple[str, ...] = ()
    """What will change in it, in words."""
    problem: str | None = None
    """Why it is left out."""
    exists: bool = False
    """Whether the problem is that the result is there already."""


def make_plan(request: Request) -> list[Job]:
    """Look at every input, and decide what becomes of it.

    Raises:
        SrlabError: the request contradicts itself, two inputs would be written to one file, or an
            input would be overwritten.
    """
    _check(request)
    place = find_place(request.inputs, request.output, request.format)
    sources = find_sources(request.inputs, place.path if place.is_folder else None)
    if not place.is_folder and len(sources) > 1:
        raise SrlabError(
            f"{request.output}: one place for {len(sources)} pictures; name a folder (end it in /)"
        )
    jobs = [_job(source, request, place) for source in sources]
    _check_targets(jobs)
    return jobs


def _check(request: Request) -> None:
    if not request.inputs:
        raise SrlabError("nothing to enlarge; name a picture or a folder, or - for standard input")
    if request.quality is not None and not 1 <= request.quality <= 100:
        raise SrlabError(f"a quality of {request.quality}: choose one from 1 to 100")
    if request.megapixels <= 0:
        raise SrlabError(f"a limit of {request.megapixels:g} megapixels leaves nothing; raise it")


def _job(source: Source, request: Request, place: Place) -> Job:
    try:
        with source.open() as file:
            header = read_header(file, megapixels=request.megapixels)
    except SrlabError as error:
        return Job(source, problem=str(error))
    form = place.format or header.format
    size = request.sizing.of(header.size)
    target = place.target(source, form, request.sizing.label)
    job = Job(source, target, form, header, size, tuple(conversions(form, header)))
    if (problem := refusal(form, header, size)) is not None:
        return replace(job, problem=problem)
    if target is not None and target.is_dir():
        return replace(job, problem=f"{target} is a folder; name another output")
    if target is not None and os.path.lexists(target) and not request.overwrite:
        problem = f"{target} is there already; --overwrite replaces it"
        return replace(job, problem=problem, exists=True)
    return job


def _check_targets(jobs: Sequence[Job]) -> None:
    inputs = {
        (stat.st_dev, stat.st_ino): job.source
        for job in jobs
        if job.source.path is not None and (stat := _stat(job.source.path)) is not None
    }
    taken: dict[str, Source] = {}
    for job in jobs:
        if job.target is None:
            continue
        if (stat := _stat(job.target)) and (own := inputs.get((stat.st_dev, stat.st_ino))):
            raise SrlabError(
                f"{job.target}: the result of {job.source.name} would overwrite the input "
                f"{own.name}; choose another output (-o)"
            )
        key = os.path.normcase(os.path.realpath(job.target))
        if other := taken.get(key):
            raise SrlabError(
                f"{other.name} and {job.source.name} would both be written to {job.target}; "
                "enlarge them one after the other, into different folders"
            )
        taken[key] = job.source


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except OSError:
        return None
