"""New measurements against the committed ones."""

from collections.abc import Sequence

from bench.results import NO_GPU, Row, unmeasured

ALLOWED = 0.15
"""By how much of itself a ratio may be worse: measuring errs, too."""


def worse(committed: Sequence[Row], measured: Sequence[Row]) -> list[str]:
    """A line for each ratio that is worse than the committed one.

    What had a ratio and has none now is worse, too, unless there is no GPU for it. Rows that only
    one of them has are not compared.
    """
    now = {row.name: row for row in measured}
    no_gpu = unmeasured("", NO_GPU).unit
    lines = []
    for before in committed:
        row = now.get(before.name)
        if row is None or before.ratio is None or row.unit == no_gpu:
            continue
        if row.ratio is None:
            lines.append(f"{row.name}: was {before.ratio:.2f} times, now {row.unit}")
        elif row.ratio < (1 - ALLOWED) * before.ratio:
            change = row.ratio / before.ratio - 1
            elsewhere = "" if row.machine == before.machine else f" on {before.machine}"
            lines.append(
                f"{row.name}: {row.ratio:.2f} times plain, {change:+.0%} against the committed "
                f"{before.ratio:.2f}{elsewhere}"
            )
    return lines


def better(first: Sequence[Row], second: Sequence[Row]) -> list[Row]:
    """Of two measurements of the same rows, the better of each."""
    again = {row.name: row for row in second}
    return [max(row, again.get(row.name, row), key=lambda r: r.ratio or 0.0) for row in first]
