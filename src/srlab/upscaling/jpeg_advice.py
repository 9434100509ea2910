"""What to say of pictures that were saved as JPEG, to a model that does not know such pictures."""

from collections.abc import Sequence

from srlab.upscaling.formats import Header
from srlab.upscaling.plan import Job
from srlab.zoo.registry import load_registry

VISIBLE_UP_TO = 90
"""The best quality of files whose squares are worth the advice."""


def model_for_jpeg(header: Header, model: str) -> str | None:
    """The model that a picture is for, if its squares are visible and another is to enlarge it.

    Args:
        header: of the picture.
        model: that is to enlarge it, as `--model` has it.
    """
    registry = load_registry()
    entry = registry.entry(model)
    if entry is None or registry.for_jpeg in (None, entry.name, entry.start):
        return None
    quality = header.jpeg_quality
    return registry.for_jpeg if quality is not None and quality <= VISIBLE_UP_TO else None


def jpeg_advice(jobs: Sequence[Job], model: str) -> str | None:
    """A line about those pictures of a plan whose squares would be enlarged; None without any.

    Args:
        jobs: the plan.
        model: that is to enlarge them, as `--model` has it.
    """
    found: list[tuple[int, str]] = []
    advised = None
    for job in jobs:
        if job.problem is None and job.header is not None:
            better = model_for_jpeg(job.header, model)
            if better is not None and job.header.jpeg_quality is not None:
                found.append((job.header.jpeg_quality, job.source.name))
                advised = better
    if not found:
        return None
    lowest, name = min(found)
    highest = max(found)[0]
    qualities = f"quality {lowest}" if lowest == highest else f"qualities {lowest} to {highest}"
    which = f"{name} is a JPEG file" if len(found) == 1 else f"{len(found)} pictures are JPEG files"
    return (
        f"{which} of {qualities}, whose squares and fringes are enlarged, too; "
        f"--model {advised} takes them out"
    )
