"""One photo on the page: looked at, and enlarged into a file."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from srlab.app.before_after import BeforeAfter, before_after
from srlab.app.choices import AS_THE_PHOTO
from srlab.app.sessions import Session, Stopped
from srlab.errors import SrlabError
from srlab.upscaling.batch import Outcome, run
from srlab.upscaling.formats import Header, format_named
from srlab.upscaling.model import Model, load
from srlab.upscaling.plan import Job, Request, make_plan
from srlab.upscaling.reading import LARGEST_MEGAPIXELS, read_header
from srlab.upscaling.regions import Options
from srlab.upscaling.sizes import Sizing

_RESULT = 16
"""How many times more pixels than the largest photo a result may have: enough for x4."""


@dataclass(frozen=True)
class Order:
    """What somebody chose."""

    model: str
    """As `srlab.load` takes it."""
    scale: int
    strength: float | None
    """Where the model has one."""
    format: str
    """A format's name, or `AS_THE_PHOTO`."""


@dataclass(frozen=True)
class Enlarged:
    """What came of it."""

    file: Path
    """The result, in full quality."""
    size: tuple[int, int]
    """(W, H)"""
    seconds: float
    notes: tuple[str, ...]
    """What changed in the picture, in words."""
    shown: BeforeAfter


def look(photo: Path, limit: float) -> Header:
    """What is in a photo, if it is not too large.

    Args:
        photo: an uploaded file.
        limit: megapixels that it may have, all frames together.

    Raises:
        SrlabError: it is no picture, or too large.
    """
    try:
        with photo.open("rb") as file:
            header = read_header(file, megapixels=max(limit, LARGEST_MEGAPIXELS))
    except SrlabError as error:
        raise SrlabError(f"{photo.name}: {error}") from None
    (width, height), frames = header.size, header.frames
    megapixels = width * height * frames / 1e6
    if megapixels > limit:
        size = f"{width} × {height} pixels" + (f" in {frames} frames" if frames > 1 else "")
        raise SrlabError(
            f"{photo.name} is too large: {size} are {megapixels:,.1f} megapixels, and at most "
            f"{limit:g} are taken here. Choose a smaller picture, or start this page with "
            f"srlab app --max-megapixels {math.ceil(megapixels)}"
        )
    return header


def enlarge(
    order: Order, session: Session, limit: float, progress: Callable[[float, float], None]
) -> Enlarged:
    """Enlarge a session's photo as it was ordered.

    Args:
        order: what was chosen.
        session: whose photo it is, and where the files go.
        limit: megapixels of a photo; results may have as many as this gives at x4.
        progress: told of the share that is done, and of the seconds that it took so far.

    Raises:
        SrlabError: there is no photo, or it cannot be enlarged like that.
        Stopped: it is not wanted any more.
    """
    photo = session.photo
    if photo is None:
        raise SrlabError("There is no photo yet: drop one first.")
    header = look(photo, limit)
    job, request = _planned(photo, header, order, session.new_folder(), limit)
    stop = session.stop
    total = header.size[0] * header.size[1] * header.frames
    begin, done = time.monotonic(), 0

    def check() -> None:
        if stop.is_set():
            raise Stopped

    def advance(pixels: int) -> None:
        nonlocal done
        check()
        done += pixels
        progress(done / total, time.monotonic() - begin)

    model = _loaded(order.model, order.strength)
    check()
    outcomes: list[Outcome] = []
    run([job], model, request, Options(), started=lambda _: advance, ended=outcomes.append)
    check()
    (outcome,) = outcomes
    if outcome.reason is not None:
        raise SrlabError(f"{photo.name}: {outcome.reason}")
    assert job.target is not None
    assert outcome.size is not None
    folder = job.target.parent
    shown = before_after(photo, job.target, order.scale, model, folder, lambda _: check())
    session.keep(folder)
    return Enlarged(job.target, outcome.size, outcome.seconds, outcome.notes, shown)


def _planned(
    photo: Path, header: Header, order: Order, folder: Path, limit: float
) -> tuple[Job, Request]:
    form = header.format if order.format == AS_THE_PHOTO else format_named(order.format)
    sizing = Sizing(order.scale)
    width, height = sizing.of(header.size)
    megapixels = width * height * header.frames / 1e6
    if megapixels > _RESULT * limit:
        raise SrlabError(
            f"The result would have {width:,} × {height:,} pixels, {megapixels:,.0f} megapixels, "
            f"and at most {_RESULT * limit:,.0f} are made here. Choose a smaller scale."
        )
    target = folder / f"{photo.stem}_{sizing.label}{form.suffixes[0]}"
    request = Request([str(photo)], str(target), sizing, megapixels=max(limit, LARGEST_MEGAPIXELS))
    (job,) = make_plan(request)
    if job.problem is not None:
        raise SrlabError(f"{photo.name}: {job.problem}")
    return job, request


@lru_cache(maxsize=4)
def _loaded(model: str, strength: float | None) -> Model:
    return load(model, strength=strength)
