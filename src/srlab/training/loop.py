"""The training loop: what every network's training has in common.

A model brings a `Trainee`; the loop brings the budget, the learning rate, validation, the best
weights, logging, and the end when a loss is not finite.
"""

import time
from collections.abc import Iterable
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from srlab.data.images import to_pixels
from srlab.errors import SrlabError
from srlab.params import ScheduleParams
from srlab.tracking import Run
from srlab.training.progress import TrainingProgress
from srlab.training.schedule import Budget, learning_rate

_LOGS = 1000
_SECONDS_BETWEEN_LOGS = 2.0


class Trainee(Protocol):
    """What is trained."""

    def update(self, batch: Any, learning_rate: float) -> dict[str, Tensor]:
        """Steps of the optimizers on a batch.

        Returns:
            Scalars to log, by name. The first whose name ends in `/total` is shown.
        """

    def validate(self) -> tuple[dict[str, float], Tensor | None]:
        """Scores of the present weights and an example picture (1, C, H, W).

        `validation/psnr` decides which weights are best.
        """

    def weights(self) -> dict[str, Tensor]:
        """The weights to keep: a state dict."""


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


def optimize(
    trainee: Trainee,
    batches: Iterable[Any],
    *,
    name: str,
    run: Run,
    budget: Budget,
    base_learning_rate: float,
    schedule: ScheduleParams,
    validations: int,
    patches_per_step: int,
    steps_per_epoch: float,
    keep: Literal["best", "last"] = "best",
) -> dict[str, Tensor]:
    """Train until the budget is used.

    Returns:
        The best weights by validation PSNR, or the last ones, which are also kept where there is
        nothing to validate on.

    Raises:
        TrainingDivergedError: a loss is not finite. It carries the best weights.
    """
    best = _Best(trainee, run, keep)
    best.consider(0)
    step = done = 0
    losses = _LossLog(run, budget.steps)
    waited = 0.0
    with TrainingProgress(name, patches_per_step=patches_per_step) as progress:
        progress.note(f"validation {best.describe()} before training")
        waiting = time.perf_counter()
        for batch in batches:
            share = budget.share(step)
            if share >= 1:
                break
            waited += time.perf_counter() - waiting
            rate = learning_rate(
                base_learning_rate, schedule, share=share, epoch=int(step / steps_per_epoch)
            )
            losses.add(step, trainee.update(batch, rate), rate)
            step += 1
            if losses.due():
                total = losses.flush(best.weights)
                progress.show(step=step, share=budget.share(step), loss=total)
            if (reached := int(budget.share(step) * validations)) > done:
                done = reached
                losses.flush(best.weights)
                best.consider(step)
                progress.note(f"step {step}  validation {best.describe()}")
            waiting = time.perf_counter()
        losses.flush(best.weights)
        seconds = losses.seconds()
        run.log_metrics(
            {
                "time/patches_per_second": step * patches_per_step / seconds,
                "time/data_wait_share": waited / seconds,
            },
            step=step,
        )
        progress.note(
            f"{step} steps in {seconds:.0f} s, of which {waited / seconds:.1%} waiting for data; "
            f"kept the weights of step {best.step}"
        )
    return best.weights


class _Best:
    """The best weights so far, or the last ones."""

    def __init__(self, trainee: Trainee, run: Run, keep: Literal["best", "last"]) -> None:
        self._trainee = trainee
        self._run = run
        self._keep = keep
        self._scores: dict[str, float] = {}
        self._psnr = float("-inf")
        self.step = 0
        self.weights: dict[str, Tensor] = {}

    def consider(self, step: int) -> None:
        self._scores, example = self._trainee.validate()
        self._run.log_metrics(self._scores, step=step)
        if example is not None:
            self._run.log_image("validation", to_pixels(example), step=step)
        psnr = self._scores.get("validation/psnr", float("inf"))
        if psnr >= self._psnr or self._keep == "last":
            self._psnr, self.step = psnr, step
            self.weights = {k: v.detach().cpu().clone() for k, v in self._trainee.weights().items()}

    def describe(self) -> str:
        if not self._scores:
            return "skipped: no image is held out"
        psnr = {k: v for k, v in self._scores.items() if k.startswith("validation/psnr_x")}
        parts = [f"{name.rpartition('_')[2]} {value:.2f}" for name, value in psnr.items()]
        return f"{' / '.join(parts)} dB"


class _LossLog:
    """What recent steps gave: checked, averaged and sent now and then.

    On a GPU, reading a loss waits for it; the steps are therefore read together. Where the budget
    counts steps, so do the logs: the same training gives the same curves.
    """

    def __init__(self, run: Run, steps: int | None) -> None:
        self._run = run
        self._every = max(1, steps // _LOGS) if steps is not None else None
        self._pending: list[tuple[int, dict[str, Tensor]]] = []
        self._rate = 0.0
        self._start = self._last = time.monotonic()

    def add(self, step: int, losses: dict[str, Tensor], rate: float) -> None:
        self._pending.append((step, losses))
        self._rate = rate

    def due(self) -> bool:
        if self._every is not None:
            return len(self._pending) >= self._every
        return time.monotonic() - self._last >= _SECONDS_BETWEEN_LOGS

    def seconds(self) -> float:
        return max(time.monotonic() - self._start, 1e-9)

    def flush(self, best: dict[str, Tensor]) -> float:
        """Check and log the mean of each value; return the mean total."""
        self._last = time.monotonic()
        if not self._pending:
            return float("nan")
        names = list(self._pending[0][1])
        table = torch.stack([torch.stack([t[n] for n in names]) for _, t in self._pending])
        values = table.detach().float().cpu()
        for (step, _), row in zip(self._pending, values, strict=True):
            for name, value in zip(names, row.tolist(), strict=True):
                if not torch.isfinite(torch.tensor(value)):
                    raise TrainingDivergedError(name, step, value, best)
        means = dict(zip(names, values.mean(dim=0).tolist(), strict=True))
        last = self._pending[-1][0]
        self._pending.clear()
        self._run.log_metrics({**means, "learning_rate": self._rate}, step=last)
        return next(value for name, value in means.items() if name.endswith("/total"))
