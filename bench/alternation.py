"""Two ways in turns, A B A B: what slows the machine down for a while slows both."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.results import Row


@dataclass
class Pairs:
    """What plain code and ours gave, one of each in every round."""

    plain: list[float] = field(default_factory=list)
    ours: list[float] = field(default_factory=list)
    limits: list[float] = field(default_factory=list)
    """The machine's limit in every round, if it was measured."""

    def of_rates(self, name: str, unit: str) -> Row:
        """The row of rates: more is better. What is a rate has a share of its limit."""
        shares = [o / limit for o, limit in zip(self.ours, self.limits, strict=False)]
        return Row(
            name,
            unit,
            statistics.median(self.plain),
            statistics.median(self.ours),
            statistics.median(o / p for p, o in zip(self.plain, self.ours, strict=True)),
            statistics.median(shares) if shares else None,
        )

    def of_costs(self, name: str, unit: str) -> Row:
        """The row of seconds or bytes: less is better.

        >>> Pairs([4.0, 6.0, 9.0], [2.0, 2.0, 2.0]).of_costs("walk", "s").ratio
        3.0
        """
        return Row(
            name,
            unit,
            statistics.median(self.plain),
            statistics.median(self.ours),
            statistics.median(p / o for p, o in zip(self.plain, self.ours, strict=True)),
        )


def alternate(
    plain: Callable[[], float],
    ours: Callable[[], float],
    rounds: int,
    limit: Callable[[], float] | None = None,
) -> Pairs:
    """Measure both as often, in turns.

    Args:
        plain, ours: measure once and give a rate or a cost.
        rounds: how often.
        limit: measures the limit of `ours`, in the same unit.
    """
    pairs = Pairs()
    for _ in range(rounds):
        pairs.plain.append(plain())
        pairs.ours.append(ours())
        if limit is not None:
            pairs.limits.append(limit())
    return pairs


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
