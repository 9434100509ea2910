"""How cost grows with work: the exponent of a power law through what was measured."""

import math
import statistics
from collections.abc import Sequence

from bench.results import Growth


def growth_of(
    name: str,
    of: str,
    sizes: Sequence[str],
    work: Sequence[float],
    work_unit: str,
    seconds: Sequence[float],
) -> Growth:
    """A table with its exponent; see `Growth`."""
    exponent = fitted_exponent(work, seconds)
    return Growth(name, of, list(sizes), list(work), work_unit, list(seconds), exponent)


def fitted_exponent(work: Sequence[float], seconds: Sequence[float]) -> float:
    """e of seconds = c * work^e: the slope of the line through the logarithms, by least squares.

    >>> round(fitted_exponent([1, 2, 4, 8], [3, 6, 12, 24]), 9)
    1.0
    >>> round(fitted_exponent([1, 10, 100], [7, 700, 70000]), 9)
    2.0
    """
    fit = statistics.linear_regression([math.log(w) for w in work], [math.log(s) for s in seconds])
    return fit.slope
