"""The training loop: what every network's training has in common.

A model brings a `Trainee`; the loop brings the budget, the learning rate, validation, the best
weights, logging, checkpoints, and the end when a loss is not finite or a signal comes.
"""

import time
from collections.abc import Callable, Iterable
from signal import Signals
from typing import Any, Literal

from torch import Tensor

from srlab.params import ScheduleParams
from srlab.tracking import Run
from srlab.training.best import Best
from srlab.training.checkpoints import Checkpoints
from srlab.training.interruption import Interruption, TrainingInterrupted
from srlab.training.loss_log import LossLog
from srlab.training.progress import TrainingProgress
from srlab.training.random_state import random_state, set_random_state
from srlab.training.ranks import Ranks
from srlab.training.schedule import Budget, learning_rate
from srlab.training.trainee import Trainee


def optimize(
    trainee: Trainee,
    batches_from: Callable[[int], Iterable[Any]],
    *,
    name: str,
    run: Run,
    budget: Budget,
    base_learning_rate: float,
    schedule: ScheduleParams,
    validations: int,
    patches_per_step: int,
    steps_per_epoch: float,
    checkpoints: Checkpoints,
    ranks: Ranks,
    keep: Literal["best", "last"] = "best",
    rounds: int = 1,
    begin_round: Callable[[], None] = lambda: None,
) -> dict[str, Tensor]:
    """Train until the budget is used.

    Args:
        trainee: what is trained.
        batches_from: the batches from a step on.
        checkpoints: where the state is kept; training goes on from the newest, with the same bits
            as if it had never been stopped.
        ranks: the processes that train together. They take the same steps and end after the same
            step; the first decides about checkpoints and keeps them, the others wait for it.
        rounds: equal parts of the budget; in each, the learning rate takes its whole course.
        begin_round: called before every round but the first.

    Returns:
        The best weights by validation PSNR, or the last ones, which are also kept where there is
        nothing to validate on.

    Raises:
        TrainingDivergedError: a loss is not finite. It carries the best weights.
        TrainingInterrupted: SIGINT or SIGTERM came, to whichever rank; the state was kept.
    """
    best = Best(trainee, run, keep)
    losses = LossLog(run, budget.steps, ranks.told)
    parts: dict[str, Any] = {
        "trainee": trainee,
        "best": best,
        "losses": losses,
        "budget": budget,
        "run": run,
    }
    step = validated = 0
    number, first = 0, 0
    waited = 0.0
    resumed = ranks.told(checkpoints.load())
    if resumed is not None:
        step, validated, waited = resumed["step"], resumed["validated"], resumed["waited"]
        number, first = resumed["round"]
        for part, owner in parts.items():
            owner.load_state_dict(resumed[part])
        set_random_state(resumed["random"][ranks.rank])
    with (
        Interruption(alone=ranks.count == 1) as interruption,
        TrainingProgress(
            name,
            patches_per_step=patches_per_step,
            step=step,
            share=budget.share(step),
            silent=not ranks.is_first,
        ) as progress,
    ):
        if resumed is None:
            best.consider(0)
            progress.note(f"validation {best.describe()} before training")
        else:
            progress.note(f"goes on from the checkpoint of step {step}")
        waiting = time.perf_counter()
        for batch in batches_from(step):
            share = budget.share(step)
            if share >= 1:
                break
            waited += time.perf_counter() - waiting
            if (begun := int(share * rounds)) > number:
                number, first = begun, step
                begin_round()
            rate = learning_rate(
                base_learning_rate,
                schedule,
                share=share * rounds - number,
                epoch=int((step - first) / steps_per_epoch),
            )
            losses.add(step, trainee.update(batch, rate), rate)
            interruption.stepped = True
            step += 1
            if losses.due():
                total = losses.flush(best.weights)
                progress.show(step=step, share=budget.share(step), loss=total)
            if (reached := int(budget.share(step) * validations)) > validated:
                validated = reached
                losses.flush(best.weights)
                best.consider(step)
                progress.note(f"step {step}  validation {best.describe()}")
            due, signal = ranks.largest(checkpoints.due(), interruption.signal or 0)
            if due or signal:
                state = {part: owner.state_dict() for part, owner in parts.items()}
                state |= {"step": step, "validated": validated, "waited": waited}
                state |= {"round": (number, first)}
                checkpoints.save(state | {"random": ranks.gathered(random_state())}, step)
            if signal:
                progress.note(f"{Signals(signal).name} after step {step}; to go on: dvc repro")
                raise TrainingInterrupted(128 + signal)
            waiting = time.perf_counter()
        losses.flush(best.weights)
        seconds = max(budget.seconds(), 1e-9)
        run.log_metrics(
            {
                "time/patches_per_second": step * patches_per_step / seconds,
                "time/data_wait_share": waited / seconds,
                "time/earlier_seconds": budget.earlier_seconds,
            },
            step=step,
        )
        progress.note(
            f"{step} steps in {seconds:.0f} s, of which {waited / seconds:.1%} waiting for data; "
            f"kept the weights of step {best.step}"
        )
    return best.weights
