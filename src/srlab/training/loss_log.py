"""What the steps of a training gave: checked, averaged and logged now and then."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from srlab.errors import SrlabError
from srlab.tracking import Run

_LOGS = 1000
_SECONDS_BETWEEN_LOGS = 2.0


class TrainingDivergedError(SrlabError):
    """A loss, or another logged value, is not finite.

    Attributes:
        weights: the best weights so far, by validation.
    """

    def __init__(self, name: str, step: int, value: float, weights: dict[str, Tensor]) -> None:
        super().__init__(
            f"training stopped: {name} is {value} at step {step}; lower the "
            "optimizer's learning_rate or set its clip_norm"
        )
        self.weights = weights


class LossLog:
    """What recent steps gave: checked, averaged and sent now and then.

    On a GPU, reading a loss waits for it; the steps are therefore read together. Where the budget
    counts steps, so do the logs: the same training gives the same curves.

    Args:
        run: gets the means.
        steps: of the budget; None where it counts minutes.
        told: gives every rank what rank 0's clock says.
    """

    def __init__(
        self, run: Run, steps: int | None, told: Callable[[bool], bool] = lambda value: value
    ) -> None:
        self._run = run
        self._told = told
        self._every = max(1, steps // _LOGS) if steps is not None else None
        self._pending: list[tuple[int, dict[str, Tensor]]] = []
        self._rate = 0.0
        self._last = time.monotonic()

    def add(self, step: int, losses: dict[str, Tensor], rate: float) -> None:
        """Take in what a step gave."""
        self._pending.append((step, losses))
        self._rate = rate

    def due(self) -> bool:
        """Whether it is time to flush."""
        if self._every is not None:
            return len(self._pending) >= self._every
        return self._told(time.monotonic() - self._last >= _SECONDS_BETWEEN_LOGS)

    def flush(self, best: dict[str, Tensor]) -> float:
        """Check and log the mean of each value; return the mean total.

        Args:
            best: the weights that a `TrainingDivergedError` carries.

        Raises:
            TrainingDivergedError: a value is not finite.
        """
        self._last = time.monotonic()
        if not self._pending:
            return float("nan")
        rows = [torch.stack(list(losses.values())) for _, losses in self._pending]
        # Those of a checkpoint lie in the processor's memory.
        values = iter(torch.cat([row.to(rows[-1].device) for row in rows]).detach().float().cpu())
        seen: dict[str, list[Tensor]] = {}
        for step, losses in self._pending:
            for name in losses:
                value = next(values)
                if not torch.isfinite(value):
                    raise TrainingDivergedError(name, step, value.item(), best)
                seen.setdefault(name, []).append(value)
        means = {name: torch.stack(found).mean().item() for name, found in seen.items()}
        last = self._pending[-1][0]
        self._pending.clear()
        self._run.log_metrics({**means, "learning_rate": self._rate}, step=last)
        return next(value for name, value in means.items() if name.endswith("/total"))

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint keeps: the steps that wait, so that none is logged in two halves."""
        return {"pending": list(self._pending), "rate": self._rate}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        self._pending, self._rate = list(state["pending"]), state["rate"]
