"""The report as one HTML file that needs no server, with an interactive comparison of pictures."""

import base64
import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from srlab.data.images import read_pixels, read_size
from srlab.errors import SrlabError
from srlab.report.titles import LOWER_IS_BETTER
from srlab.report.webp import LARGEST_SIDE, data_uri, encode_webp

TRUTH = "hr"
QUALITIES = (None, 95, 90, 85, 75, 60)
"""Qualities of the embedded pictures, in the order in which they are tried; None is lossless."""

_PARTS = Path(__file__).parent / "page"
_THUMBNAIL = 112
_FORMATS = {"psnr": ".2f", "ssim": ".4f", "alex": ".3f", "lpips": ".3f"}


@dataclass(frozen=True)
class Comparison:
    """What the methods made of one image."""

    dataset: str
    """Such as set5."""
    image: str
    """Such as butterfly."""
    pictures: dict[str, Path]
    """Method -> its picture, in the order of display, all of one size. `hr` is the truth."""
    scores: dict[str, dict[str, float | None]]
    """Method -> metric -> score, None if not computed; `hr` has none."""

    def __post_init__(self) -> None:
        if len(self.pictures) < 2:
            raise ValueError(
                f"{self.dataset}/{self.image}: a comparison needs hr and one method at least, or "
                f"two methods, not {list(self.pictures)}"
            )

    @property
    def has_truth(self) -> bool:
        """Whether there is anything to measure errors by."""
        return TRUTH in self.pictures

    @property
    def reference(self) -> Path:
        """The truth, or without one the first picture."""
        return self.pictures[TRUTH if self.has_truth else next(iter(self.pictures))]


@dataclass(frozen=True)
class Section:
    """A part of the page with an entry in its table of contents."""

    anchor: str
    """Unique in the page; `compare` is the viewer's."""
    title: str
    body: Markup
    """Trusted HTML, see `srlab.report.html`. Scripts in it do not run."""


@dataclass(frozen=True)
class Page:
    """All that a page shows."""

    title: str
    subtitle: str
    scale: float
    protocol: str | None
    """Whose pictures are compared, and whose scores stand beside them; None without a truth."""
    comparisons: list[Comparison]
    before: list[Section]
    """What stands above the comparison."""
    after: list[Section]
    """What stands below it."""
    notes: list[str]
    """What the reader must know first, such as what is missing and how to get it."""


def write_page(page: Page, output: Path, *, limit: int = 24_000_000) -> None:
    """Write a page and everything it shows into one HTML file.

    Pictures are embedded without loss if the file then has at most `limit` bytes, else with the
    best of `QUALITIES` that fits; the page says which. One picture at a time is in memory. The
    file gets its name when it is complete.

    Args:
        limit: the most bytes that the file may have.

    Raises:
        SrlabError: a picture is missing or has another size than the others of its image, or the
            page does not fit the limit.
    """
    _check_pictures(page)
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    shown = _shown(page)
    try:
        with tempfile.TemporaryFile() as spool:
            for quality in QUALITIES:
                shell = sum(len(part) for part in _render(page, shown, quality, iter(())))
                lengths = _spool_pictures(page, spool, quality, limit - shell)
                if lengths is not None:
                    break
            else:
                raise SrlabError(
                    f"{output}: the page does not fit {limit:,} bytes even with pictures of "
                    f"quality {quality} (all but them has {shell:,}); compare fewer images or "
                    "methods"
                )
            spool.seek(0)
            blocks = (_block(name, spool.read(length)) for name, length in lengths.items())
            with partial.open("wb") as file:
                file.writelines(_render(page, shown, quality, blocks))
        os.replace(partial, output)
    finally:
        partial.unlink(missing_ok=True)


def _check_pictures(page: Page) -> None:
    """Refuse a missing or wrong picture before the first one is encoded."""
    for comparison in page.comparisons:
        for path in comparison.pictures.values():
            if not path.is_file():
                raise SrlabError(f"{path}: no such picture; make it: dvc repro")
        reference = comparison.reference
        wanted = read_size(reference)
        if max(wanted) > LARGEST_SIDE:
            raise SrlabError(
                f"{reference}: a side is longer than {LARGEST_SIDE} pixels, too large for a page; "
                "leave the image out"
            )
        for path in comparison.pictures.values():
            if (found := read_size(path)) != wanted:
                raise SrlabError(
                    f"{path}: has {found[1]}x{found[0]} pixels, not {wanted[1]}x{wanted[0]} as "
                    f"{reference}; give a picture of this image and scale"
                )


def _spool_pictures(
    page: Page, spool: BinaryIO, quality: int | None, room: int
) -> dict[str, int] | None:
    """Write all pictures one after the other; the length of each, or None if there is no room."""
    spool.seek(0)
    spool.truncate()
    lengths = {}
    for index, comparison in enumerate(page.comparisons):
        for method, path in enumerate(comparison.pictures.values()):
            webp = encode_webp(read_pixels(path), quality)
            spool.write(webp)
            name = _name(index, method)
            lengths[name] = len(webp)
            room -= len(_block(name, b"")) + 4 * ((len(webp) + 2) // 3)
            if room < 0:
                return None
    return lengths if room >= 0 else None


def _render(
    page: Page, shown: dict[str, Any], quality: int | None, blocks: Iterator[str]
) -> Iterator[bytes]:
    """The page in parts, the blocks of its pictures last and one by one."""
    environment = Environment(
        loader=FileSystemLoader(_PARTS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # The order of methods is the order of display.
    environment.policies["json.dumps_kwargs"] = {}
    scripts = {
        name: _PARTS.joinpath(f"{name}.js").read_text("utf-8") for name in ("page", "viewer")
    }
    styles = [_PARTS.joinpath(f"{name}.css").read_text("utf-8") for name in ("page", "viewer")]
    parts = environment.get_template("page.html").generate(
        page=page,
        shown=shown,
        quality=quality,
        blocks=blocks,
        # No name or section can smuggle in a script: the page runs these two and no other.
        hashes=[_script_hash(script) for script in scripts.values()],
        scripts=scripts,
        styles=styles,
    )
    return (part.encode() for part in parts)


def _script_hash(script: str) -> str:
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"


def _name(comparison: int, method: int) -> str:
    return f"picture-{comparison}-{method}"


def _block(name: str, webp: bytes) -> str:
    """A picture as text that the browser neither shows nor decodes before it is asked for."""
    text = base64.b64encode(webp).decode("ascii")
    return f'<script type="text/plain" id="{name}">{text}</script>\n'


def _shown(page: Page) -> dict[str, Any]:
    """What the viewer's script reads: names, sizes, scores as text, thumbnails."""
    comparisons = []
    for index, comparison in enumerate(page.comparisons):
        reference = read_pixels(comparison.reference)
        comparisons.append(
            {
                "dataset": comparison.dataset,
                "image": comparison.image,
                "height": reference.shape[0],
                "width": reference.shape[1],
                "methods": {
                    method: _name(index, place) for place, method in enumerate(comparison.pictures)
                },
                "scores": _score_texts(comparison),
                "thumbnail": _thumbnail(reference),
            }
        )
    metrics = dict.fromkeys(
        metric
        for comparison in page.comparisons
        for scores in comparison.scores.values()
        for metric in scores
    )
    return {
        "truth": TRUTH,
        "metrics": [
            {"name": metric, "better": "low" if metric in LOWER_IS_BETTER else "high"}
            for metric in metrics
        ],
        "comparisons": comparisons,
    }


def _score_texts(comparison: Comparison) -> dict[str, dict[str, dict[str, Any]]]:
    """method -> metric -> the score as text, and whether no other method's is better."""
    known: dict[str, list[float]] = {}
    for scores in comparison.scores.values():
        for metric, score in scores.items():
            if score is not None:
                known.setdefault(metric, []).append(score)
    best = {
        metric: (min if metric in LOWER_IS_BETTER else max)(scores)
        for metric, scores in known.items()
    }
    return {
        method: {
            metric: {
                "text": format(score, _FORMATS.get(metric, ".3f")),
                "best": bool(score == best[metric]),
            }
            for metric, score in scores.items()
            if score is not None
        }
        for method, scores in comparison.scores.items()
        if method in comparison.pictures
    }


def _thumbnail(pixels: np.ndarray) -> str:
    image = Image.fromarray(pixels).convert("RGB")
    image.thumbnail((2 * _THUMBNAIL, _THUMBNAIL), Image.Resampling.LANCZOS)
    return data_uri(encode_webp(np.asarray(image), 80))
