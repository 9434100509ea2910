"""How far training has come, and the learning rate there."""

import math
import time
from collections.abc import Callable

from srlab.params import BudgetParams, ScheduleParams


class Budget:
    """The end of training, counted in epochs, steps or minutes.

    Args:
        params: which of the three, and how many.
        steps_per_epoch: patches of an epoch by patches of a step.
        clock: seconds, for a budget in minutes.

    Attributes:
        steps: the last step; None where minutes decide.
        repeatable: whether another run would take as many steps.
    """

    def __init__(
        self,
        params: BudgetParams,
        *,
        steps_per_epoch: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.repeatable = params.minutes is None
        self.steps: int | None = params.steps
        if params.epochs is not None:
            self.steps = max(1, math.ceil(params.epochs * steps_per_epoch))
        self._seconds = (params.minutes or 0) * 60
        self._clock = clock
        self._start = clock()

    def share(self, step: int) -> float:
        """The share of the budget, in [0, 1], that is used before a step begins."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        return min(1.0, (self._clock() - self._start) / self._seconds)


def learning_rate(base: float, params: ScheduleParams, *, share: float, epoch: int) -> float:
    """The learning rate where a share of the budget is used and an epoch is under way."""
    if share < params.warmup:
        # Not from zero itself: the first step should move something.
        return base * max(share / params.warmup, 1e-3)
    if params.name == "step":
        return base / params.step_factor ** (epoch // params.step_epochs)
    left = 1 - (share - params.warmup) / (1 - params.warmup)
    if params.name == "linear":
        return base * left
    return base * (1 - math.cos(math.pi * left)) / 2
