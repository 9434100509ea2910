"""A comparison as files: a strip to look at, and a page to move about in."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from markupsafe import Markup
from PIL import Image

from srlab.comparing.results import Result, enlarge
from srlab.comparing.subject import Subject
from srlab.data.images import write_png
from srlab.errors import SrlabError
from srlab.report.html import html_table
from srlab.report.page import TRUTH, Comparison, Page, Section, write_page
from srlab.report.strip import caption, side_by_side
from srlab.upscaling.model import load
from srlab.upscaling.writing import replacing

INPUT = "input"
"""What the picture itself is called, enlarged without smoothing."""

_METRICS = ("psnr", "ssim", "alex", "lpips")


def write_strip(subject: Subject, results: Mapping[str, Result], output: Path) -> None:
    """Write input, results and truth side by side as PNG, with a zoomed crop of each.

    Args:
        subject: what was enlarged.
        results: model -> what it made.
        output: the file.

    Raises:
        SrlabError: it cannot be written.
    """
    captions = {name: caption(result.score) for name, result in results.items() if result.score}
    panels = {
        f"{name} {captions.get(name, '')}".strip(): pixels
        for name, pixels in _pictures(subject, results).items()
    }
    strip = side_by_side(panels, subject.crop)
    with replacing(output) as file:
        Image.fromarray(strip).save(file, format="png")


def write_html(subject: Subject, results: Mapping[str, Result], output: Path) -> None:
    """Write the same as a page that needs no server, with a slider between any two.

    Raises:
        SrlabError: it cannot be written, or would be too large.
    """
    with tempfile.TemporaryDirectory() as folder:
        paths = {}
        for index, (name, pixels) in enumerate(_pictures(subject, results).items()):
            paths[name] = Path(folder) / f"{index}.png"
            write_png(paths[name], pixels)
        page = Page(
            title=subject.name,
            subtitle=_subtitle(subject),
            scale=subject.scale,
            protocol=subject.protocol,
            comparisons=[Comparison("", subject.name, paths, _scores(results))],
            before=[],
            after=[Section("times", "Times", _times(results))],
            notes=[] if subject.part is None else [subject.part_note],
        )
        try:
            write_page(page, output)
        except OSError as error:
            reason = error.strerror or str(error)
            raise SrlabError(
                f"{output}: cannot be written ({reason}); choose another place"
            ) from None


def _pictures(subject: Subject, results: Mapping[str, Result]) -> dict[str, np.ndarray]:
    """Every column, from the left to the right."""
    untouched = enlarge(subject, load("nearest")).pixels
    pictures = {INPUT: untouched} | {name: result.pixels for name, result in results.items()}
    return pictures if subject.truth is None else pictures | {TRUTH: subject.truth}


def _subtitle(subject: Subject) -> str:
    height, width = subject.lr.shape[:2]
    begin, end = ("", "") if subject.truth is None else ("shrunk to ", " again")
    return (
        f"{begin}{width} × {height} pixels, enlarged to {subject.size[0]} × {subject.size[1]}{end}"
    )


def _times(results: Mapping[str, Result]) -> Markup:
    rows = [[name, f"{result.seconds:.1f} s"] for name, result in results.items()]
    return html_table(["model", "time"], rows, caption="How long each took on this machine")


def _scores(results: Mapping[str, Result]) -> dict[str, dict[str, float | None]]:
    scores = {name: result.score for name, result in results.items() if result.score is not None}
    known = [
        metric
        for metric in _METRICS
        if any(getattr(score, metric) is not None for score in scores.values())
    ]
    return {
        name: {metric: getattr(score, metric) for metric in known} for name, score in scores.items()
    }
