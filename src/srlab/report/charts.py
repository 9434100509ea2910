"""Charts as SVG that takes the page's text colour, so that it reads in light and in dark."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_TEXT = "#010203"
"""Drawn in this colour, which nothing else has, and then turned into the page's own."""
_PALETTE = ("#3b82c4", "#d9722e", "#3a9d6b", "#b9588f", "#8a74c9", "#a78a2c", "#5a9aa8")
_FONT_SIZE = 9


@dataclass(frozen=True)
class Interval:
    """A value with its interval, where there is one."""

    label: str
    value: float
    low: float | None
    high: float | None


def line_chart(
    series: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    *,
    x: str,
    y: str,
    logarithmic: bool = False,
) -> str:
    """Lines over a common axis.

    Args:
        series: name -> (x values, y values); a legend names them where there are several.
        x, y: what the axes show, with units.
        logarithmic: the y axis.

    Returns:
        An `<svg>` element.
    """
    figure, axes = _axes(x, y)
    for index, (name, (xs, ys)) in enumerate(series.items()):
        axes.plot(xs, ys, label=name, color=_PALETTE[index % len(_PALETTE)], linewidth=1.4)
    if logarithmic and any(value > 0 for _, ys in series.values() for value in ys):
        axes.set_yscale("log")
    _legend(axes, len(series))
    return _svg(figure)


def interval_chart(intervals: Sequence[Interval], *, x: str) -> str:
    """Values with their intervals, one below the other, and a line at zero."""
    figure, axes = _axes(x, "", height=0.7 + 0.32 * max(1, len(intervals)))
    for row, interval in enumerate(reversed(intervals)):
        color = _PALETTE[0]
        if interval.low is not None and interval.high is not None:
            axes.plot([interval.low, interval.high], [row, row], color=color, linewidth=1.6)
        axes.plot([interval.value], [row], "o", color=color, markersize=5)
    axes.axvline(0, color=_TEXT, linewidth=0.8, alpha=0.5)
    axes.set_yticks(range(len(intervals)), [item.label for item in reversed(intervals)])
    axes.set_ylim(-0.6, len(intervals) - 0.4)
    return _svg(figure)


def _axes(x: str, y: str, *, height: float = 2.7) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.4, height), layout="constrained")
    figure.patch.set_alpha(0)
    axes = figure.subplots()
    axes.patch.set_alpha(0)
    axes.set_xlabel(x, fontsize=_FONT_SIZE, color=_TEXT)
    axes.set_ylabel(y, fontsize=_FONT_SIZE, color=_TEXT)
    axes.tick_params(which="both", colors=_TEXT, labelsize=8)
    axes.grid(color=_TEXT, alpha=0.12, linewidth=0.6)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(_TEXT)
        spine.set_alpha(0.4)
    return figure, axes


def _legend(axes: Axes, entries: int) -> None:
    if entries > 1:
        axes.legend(fontsize=8, labelcolor=_TEXT, frameon=False, ncols=1 if entries < 5 else 2)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    with matplotlib.rc_context():
        # Text stays text, in the page's font; the same numbers give the same bytes.
        matplotlib.rcParams["svg.fonttype"] = "none"
        matplotlib.rcParams["svg.hashsalt"] = "srlab"
        matplotlib.rcParams["font.family"] = "sans-serif"
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace(_TEXT, "currentColor")
