"""Figures 1 to 4 of the paper: comparisons with zoomed crops, invented texture, text.

Images and crops are chosen by the program. Every crop is also a file, `figureN/METHOD.png`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup, escape

from srlab.data.images import read_pixels, write_png
from srlab.report.crops import Box, most_detailed, most_invented, read_crop
from srlab.report.html import html_figure, html_pictures
from srlab.report.page import TRUTH, Comparison

_TEXT_IMAGES = ("ppt3", "page")
_ROWS = 4


@dataclass(frozen=True)
class Figures:
    """Makes the figures from what the methods made of the test images.

    Args:
        comparisons: an entry for each test image.
        crop: side of a zoomed crop in high-resolution pixels.
        folder: takes the crops as PNG.
    """

    comparisons: Sequence[Comparison]
    crop: int
    folder: Path

    def all(self) -> list[Markup]:
        """Figures 1 to 4, those that cannot be made with the reason in their place."""
        return [self.largest_difference(), self.invented(), self.text(), self.more_images()]

    def largest_difference(self) -> Markup:
        """Figure 1: the image on which the methods differ most."""
        title = "Where the methods differ most"
        if not self.comparisons:
            return _missing("Figure 1", title, "no method was scored; run: dvc repro")
        chosen = max(self.comparisons, key=_spread)
        caption = (
            f"{_name(chosen)}, the square with the most detail. Of all test images the methods "
            "differ most on this one: in LPIPS, or in PSNR where LPIPS was not computed."
        )
        return self._row("Figure 1", title, chosen, self._detail(chosen), caption)

    def invented(self) -> Markup:
        """Figure 2: where SRGAN's texture exceeds the truth's most."""
        title = "Texture that is not there"
        shown = [one for one in self.comparisons if "srgan" in one.pictures]
        if not shown:
            return _missing("Figure 2", title, "srgan was not run; run: dvc repro evaluate_srgan")
        found = []
        for one in shown:
            sr, hr = (read_pixels(one.pictures[name]) for name in ("srgan", TRUTH))
            box, excess = most_invented(sr, hr, self.crop)
            found.append((excess, one, box))
        excess, chosen, box = max(found, key=lambda item: item[0])
        caption = (
            f"{_name(chosen)}. Of all places in the test images, SRGAN's local variance exceeds "
            f"the truth's most here, by {excess:.0f} squared grey levels on average."
        )
        return self._row("Figure 2", title, chosen, box, caption)

    def text(self) -> Markup:
        """Figure 3: printed text."""
        title = "Text"
        chosen = [one for name in _TEXT_IMAGES for one in self.comparisons if one.image == name]
        if not chosen:
            return _missing(
                "Figure 3",
                title,
                f"no image of text ({', '.join(_TEXT_IMAGES)}) was scored; add set14 or "
                "sample_test to data.test, then: dvc repro",
            )
        caption = (
            f"{_name(chosen[0])}, the square with the most detail. Strokes thinner than a "
            "low-resolution pixel cannot be read out of the image again."
        )
        return self._row("Figure 3", title, chosen[0], self._detail(chosen[0]), caption)

    def more_images(self) -> Markup:
        """Figure 4: more images, one below the other."""
        title = "More images"
        chosen = sorted(self.comparisons, key=_spread, reverse=True)[1 : 1 + _ROWS]
        if not chosen:
            return _missing("Figure 4", title, "fewer than two images were scored")
        rows = [
            html_pictures(f"{title}, {_name(one)}", self._crops("Figure 4", one, self._detail(one)))
            for one in chosen
        ]
        caption = "From the top: " + ", ".join(_name(one) for one in chosen) + "."
        return html_figure("Figure 4", title, Markup().join(rows), caption=caption)

    def _row(
        self, label: str, title: str, comparison: Comparison, box: Box, caption: str
    ) -> Markup:
        return html_figure(label, title, self._crops(label, comparison, box), caption=caption)

    def _crops(self, label: str, comparison: Comparison, box: Box) -> dict[str, Path]:
        """Caption -> file of the crop, for each method."""
        folder = self.folder / label.lower().replace(" ", "")
        folder.mkdir(parents=True, exist_ok=True)
        crops = {}
        for method, path in comparison.pictures.items():
            target = folder / f"{comparison.dataset}_{comparison.image}_{method}.png"
            write_png(target, read_crop(path, box))
            crops[_caption(method, comparison)] = target
        return crops

    def _detail(self, comparison: Comparison) -> Box:
        """Where the bicubic image, or else the truth, has the most detail: no network chooses."""
        method = "bicubic" if "bicubic" in comparison.pictures else TRUTH
        return most_detailed(read_pixels(comparison.pictures[method]), self.crop)


def _spread(comparison: Comparison) -> float:
    """How much the methods differ on an image: in LPIPS if it is known, else in PSNR."""
    for metric, weight in (("lpips", 1000.0), ("psnr", 1.0)):
        values = [
            value
            for scores in comparison.scores.values()
            if (value := scores.get(metric)) is not None
        ]
        if len(values) > 1:
            return weight * (max(values) - min(values))
    return 0.0


def _caption(method: str, comparison: Comparison) -> str:
    scores = comparison.scores.get(method, {})
    psnr, lpips = scores.get("psnr"), scores.get("lpips")
    parts = [f"{psnr:.2f} dB"] if psnr is not None else []
    parts += [f"{lpips:.3f}"] if lpips is not None else []
    return " ".join([method, " / ".join(parts)]).strip()


def _name(comparison: Comparison) -> str:
    return f"{comparison.image} ({comparison.dataset})"


def _missing(label: str, title: str, reason: str) -> Markup:
    body = Markup('<p class="missing">{}</p>').format(f"Not made: {reason}.")
    return html_figure(label, title, body, caption=escape(""))
