"""The command `srlab compare`: a picture and models in, a strip or a page out."""

import re
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from srlab.complaints import nearest
from srlab.errors import SrlabError
from srlab.heap import keep_freed_memory
from srlab.params import ProtocolName
from srlab.report.crops import Box
from srlab.zoo.registry import load_registry, resolve

_STRIPS, _PAGES = (".png",), (".html", ".htm")
_TAKEN = ("input", "hr")
"""What the columns beside the models are called."""


def compare(
    image: Path,
    *,
    models: Sequence[str],
    scale: float,
    output: Path,
    crop: str,
    is_truth: bool,
    protocol: str | None,
    device: str,
    megapixels: float,
    overwrite: bool,
) -> None:
    """Enlarge a picture with several models, and write what they made side by side.

    Args:
        image: the picture.
        models: names or weights; all released ones and bicubic if there are none.
        scale: any factor; a whole one of a truth.
        output: a strip (.png) or a page (.html).
        crop: `x,y,side` in pixels of the picture, or `auto`.
        is_truth: shrink the picture first, and score the results against it.
        protocol: by which that is done, if not `y_rgb8`.
        device: see `srlab.upscaling.model.load`.
        megapixels: of the picture, at most.
        overwrite: replace the output.

    Raises:
        SrlabError: something that was named is not there, or does not fit.
    """
    if output.suffix.lower() not in _STRIPS + _PAGES:
        raise SrlabError(f"{output}: end it in .png (a strip) or .html (a page with a slider)")
    if is_truth and (scale < 2 or not scale.is_integer()):
        raise SrlabError(f"--scale {scale:g}: choose 2 or another whole number with --truth")
    if protocol is not None and not is_truth:
        raise SrlabError(f"--protocol {protocol}: says how --truth shrinks; add --truth")
    keep_freed_memory()
    if output.exists() and image.exists() and output.samefile(image):
        raise SrlabError(f"{output}: would overwrite the picture; choose another output (-o)")
    if output.exists() and not overwrite:
        raise SrlabError(f"{output} is there already; --overwrite replaces it")
    box = _box(crop)
    names = _names(models, scale)
    # Only now: torch takes seconds to import.
    from srlab.comparing.pictures import write_html, write_strip
    from srlab.comparing.results import Result, enlarge
    from srlab.comparing.subject import PROTOCOLS_OF_PICTURES, read_subject
    from srlab.scoring.backbone import perceptual_metrics
    from srlab.upscaling.model import load

    by = _protocol(protocol, PROTOCOLS_OF_PICTURES) if is_truth else None
    subject = read_subject(image, scale=scale, crop=box, protocol=by, megapixels=megapixels)
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if subject.part is not None:
        console.print(subject.part_note, markup=False)
    perceptual = perceptual_metrics() if is_truth else None
    results: dict[str, Result] = {}
    with _progress(console) as progress:
        pixels = subject.lr.shape[0] * subject.lr.shape[1]
        task = progress.add_task("", total=pixels * len(names))
        for title, name in names.items():
            progress.update(task, description=title)
            results[title] = enlarge(
                subject,
                load(name, device=device),
                perceptual,
                lambda done: progress.advance(task, done),
            )
    write = write_strip if output.suffix.lower() in _STRIPS else write_html
    write(subject, results, output)
    print(output)


def _names(models: Sequence[str], scale: float) -> dict[str, str]:
    """Title -> name or path of every model, each of which is there."""
    if not models:
        registry = load_registry()
        released = registry.models
        if not released:
            raise SrlabError(
                "no model was released with this installation; name weights: --model PATH"
            )
        # One that does not reach the scale would be seen at what it was not made for.
        reaching = [entry for entry in released if max(entry.scales) >= scale] or released
        # The default is the last: a page opens with bicubic beside the last.
        reaching = sorted(reaching, key=lambda entry: entry.name == registry.default)
        return {name: name for name in ("bicubic", *(entry.name for entry in reaching))}
    for model in models:
        resolve(model)
    models = list(dict.fromkeys(models))
    stems = [_stem(model) for model in models]
    return {
        stem if stems.count(stem) == 1 and stem not in _TAKEN else model: model
        for stem, model in zip(stems, models, strict=True)
    }


def _stem(model: str) -> str:
    return Path(model).stem if model.endswith(".safetensors") else model


def _protocol(name: str | None, known: Sequence[ProtocolName]) -> ProtocolName:
    for protocol in known:
        if name in (None, protocol):
            return protocol
    raise SrlabError(f"--protocol {name}: none for pictures; {nearest(str(name), list(known))}")


def _box(text: str) -> Box | None:
    if text == "auto":
        return None
    if not re.fullmatch(r"\d+,\d+,\d+", text):
        raise SrlabError(
            f"--crop {text}: write x,y,side in pixels of the picture, such as 40,25,64, or auto"
        )
    return Box(*map(int, text.split(",")))


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
