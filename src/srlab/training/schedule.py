"""How far training has come, and the learning rate there."""

import math
import time
from collections.abc import Callable
from typing import Any

from srlab.params import BudgetParams, ScheduleParams


class Budget:
    """The end of training, counted in epochs, steps or minutes.

    Args:
        params: which of the three, and how many.
        steps_per_epoch: patches of an epoch by patches of a step.
        clock: seconds, for a budget in minutes.
        told: gives every rank what rank 0's clock says.

    Attributes:
        steps: the last step; None where minutes decide.
        repeatable: whether another run would take as many steps.
        earlier_seconds: what was used before an interruption.
    """

    def __init__(
        self,
        params: BudgetParams,
        *,
        steps_per_epoch: float,
        clock: Callable[[], float] = time.monotonic,
        told: Callable[[float], float] = lambda value: value,
    ) -> None:
        self.repeatable = params.minutes is None
        self.steps: int | None = params.steps
        if params.epochs is not None:
            self.steps = max(1, math.ceil(params.epochs * steps_per_epoch))
        self._limit = (params.minutes or 0) * 60
        self._clock = clock
        self._told = told
        self._start = clock()
        self.earlier_seconds = 0.0

    def share(self, step: int) -> float:
        """The share of the budget, in [0, 1], that is used before a step begins."""
        if self.steps is not None:
            return min(1.0, step / self.steps) if self.steps else 1.0
        return self._told(min(1.0, self.seconds() / self._limit))

    def seconds(self) -> float:
        """What has been used, the time before an interruption counted in."""
        return self._clock() - self._start

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps."""
        return {"seconds": self.seconds()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self.earlier_seconds = state["seconds"]
        self._start = self._clock() - self.earlier_seconds


def learning_rate(base: float, params: ScheduleParams, *, share: float, epoch: int) -> float:
    """The learning rate where a share of the budget is used and an epoch is under way."""
    if share < params.warmup:
        # Not from zero itself: the first step should move something.
        return base * max(share / params.warmup, 1e-3)
    if params.name == "step":
        return base / params.step_factor ** (epoch // params.step_epochs)
    if params.name == "constant":
        return base
    left = 1 - (share - params.warmup) / (1 - params.warmup)
    if params.name == "linear":
        return base * left
    return base * (1 - math.cos(math.pi * left)) / 2
