"""The command `srlab upscale`: arguments in, progress and a summary out."""

import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, cast

from srlab.errors import SrlabError
from srlab.heap import keep_freed_memory
from srlab.machine import computes_bf16
from srlab.upscaling.formats import format_named
from srlab.upscaling.jpeg_advice import jpeg_advice
from srlab.upscaling.plan import Request, make_plan
from srlab.upscaling.report import Report
from srlab.upscaling.sizes import Sizing
from srlab.zoo.registry import resolve, resolve_blend

if TYPE_CHECKING:
    from srlab.upscaling.model import Precision


def upscale(
    *,
    inputs: Sequence[str],
    output: str | None,
    model: str | None,
    scale: float | None,
    width: int | None,
    height: int | None,
    strength: float | None,
    ensemble: bool,
    consistent: bool,
    tile: str,
    device: str,
    precision: str,
    format: str | None,
    quality: int | None,
    megapixels: float,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """Enlarge pictures as the options of `srlab upscale` say.

    Returns:
        The exit code: 0 if every picture was written, else 1; 130 after Ctrl-C.

    Raises:
        SrlabError: an option is wrong, or options contradict one another.
    """
    if scale is not None and (width is not None or height is not None):
        raise SrlabError("--scale and a size contradict one another; leave one of them out")
    keep_freed_memory()
    sizing = Sizing(4.0 if scale is None else scale, width, height)
    request = Request(
        inputs=inputs,
        output=output,
        sizing=sizing,
        format=None if format is None else format_named(format),
        quality=quality,
        overwrite=overwrite,
        megapixels=megapixels,
    )
    if quality is not None and request.format is not None and request.format.quality is None:
        raise SrlabError(f"--quality: {request.format.title} loses nothing; leave one of them out")
    tile_size = _tile(tile)
    _check_model(model, strength)
    jobs = make_plan(request)
    to_stdout = any(job.target is None and job.problem is None for job in jobs)
    if as_json and to_stdout and not dry_run:
        raise SrlabError("--json and a picture cannot both go to standard output; name a file (-o)")
    if to_stdout and not dry_run and sys.stdout.isatty():
        raise SrlabError("a terminal shows no pictures; name a file (-o), or send it on with >")
    report = Report(jobs, as_json=as_json, dry_run=dry_run)
    if dry_run or all(job.problem for job in jobs):
        for job in jobs:
            report.planned(job)
        return report.end(model)
    # Only now: torch takes seconds to import.
    from srlab.upscaling.batch import run
    from srlab.upscaling.model import load
    from srlab.upscaling.regions import Options

    loaded = load(model, device=device, precision=cast("Precision", precision), strength=strength)
    # Of Apple's GPUs it is not known; an interpolation computes in neither.
    kind = loaded.device.type
    may_be_emulated = loaded.card is not None and kind != "mps"
    if precision == "bf16" and may_be_emulated and not computes_bf16(kind):
        report.warn("--precision bf16 is emulated here and takes longer than float32; leave it out")
    if (advice := jpeg_advice(jobs, loaded.name)) is not None:
        report.warn(advice)
    options = Options(ensemble, consistent, tile_size)
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        with report.progress:
            run(jobs, loaded, request, options, started=report.started, ended=report.ended)
    except KeyboardInterrupt:
        report.interrupted = True
    finally:
        signal.signal(signal.SIGTERM, before)
    return report.end(loaded.name)


def _tile(text: str) -> int | None:
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise SrlabError(f"--tile {text}: choose auto or a number of pixels, such as 256")
    return int(text)


def _check_model(model: str | None, strength: float | None) -> None:
    """Refuse a model that is not there before anything is looked at."""
    if strength is None:
        resolve(model)
    else:
        resolve_blend(model)


def _terminated(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
