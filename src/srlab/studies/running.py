"""Runs a study's experiments: those that are missing, through DVC's queue, to their end."""

import time
from collections.abc import Callable, Mapping

from srlab.errors import SrlabError
from srlab.studies.arms import Arm
from srlab.studies.experiments import finished
from srlab.studies.queue import ExperimentQueue, hydra_overrides

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_BETWEEN_LINES = 30.0
_LAST_LINES = 15
_RESTARTS = 3
_LOOKS_ALONE = 3


def run_arms(
    arms: Mapping[str, Arm],
    target: str,
    queue: ExperimentQueue,
    *,
    jobs: int,
    with_others: bool,
    say: Callable[[str], None],
) -> dict[str, str]:
    """Run the experiments that have not succeeded before; wait for all.

    DVC's workers take whatever waits in the queue, and cannot be told to leave something. Where
    others' experiments wait there, nothing is started unless `with_others` says that they may run
    too. When interrupted or terminated, the workers are ended, and what is not done leaves the
    queue; what is done is kept, so that the next call goes on.

    Args:
        arms: name of the experiment -> arm.
        target: the stage to reproduce.
        queue: DVC's.
        jobs: experiments at a time.
        with_others: start others' experiments that wait in the queue, too.
        say: takes a line of progress.

    Returns:
        Name of the experiment -> its commit.

    Raises:
        SrlabError: others' experiments wait in the queue, DVC refuses, or an arm failed.
    """
    done = finished(arms)
    for name in done:
        say(f"{arms[name].name}: there already, as {name}")
    missing = [name for name in arms if name not in done]
    if not missing:
        return done
    if (others := queue.others(missing)) and not with_others:
        raise SrlabError(
            f"DVC's queue holds {', '.join(others)}, which would be started, too: run them first "
            "(dvc queue start), take them out (dvc queue remove NAME), or say --with-others"
        )
    try:
        _enqueue(missing, arms, target, queue, say)
        queue.start(min(jobs, len(missing)))
        failed = _watch(missing, arms, queue, jobs, say)
    except BaseException:
        say("stopping DVC's queue")
        queue.stop(missing)
        raise
    queue.dismiss()
    if failed:
        raise SrlabError(
            f"{len(failed)} of {len(arms)} arms failed: {', '.join(failed)}; their logs: dvc queue "
            "logs NAME. Arms that succeeded are kept: after the repair, the same command goes on"
        )
    return finished(arms)


def _enqueue(
    missing: list[str],
    arms: Mapping[str, Arm],
    target: str,
    queue: ExperimentQueue,
    say: Callable[[str], None],
) -> None:
    states = queue.states(missing)
    if not queue.workers():
        # What counts as running without a worker was left behind by one that was killed.
        stale = [name for name in missing if states[name] == "running"]
        queue.stop(stale)
        states |= dict.fromkeys(stale, "absent")
    new = [name for name in missing if states[name] in ("failed", "absent")]
    queue.forget(new)
    for name in new:
        queue.put(name, target, hydra_overrides(arms[name].overrides))
        say(f"{arms[name].name}: queued as {name}")


def _watch(
    missing: list[str],
    arms: Mapping[str, Arm],
    queue: ExperimentQueue,
    jobs: int,
    say: Callable[[str], None],
) -> list[str]:
    """Say what happens until all have ended; the names of those that failed."""
    waiting = dict.fromkeys(missing, 0.0)
    last_line = dict.fromkeys(missing, 0.0)
    failed = []
    alone = restarts = 0
    while waiting:
        states = queue.states(list(waiting))
        done = finished(waiting)
        for name, state in states.items():
            label, now = arms[name].name, time.monotonic()
            if state == "running" and not waiting[name]:
                waiting[name] = last_line[name] = now
                say(f"{label}: started")
            elif state == "running" and now - last_line[name] > _SECONDS_BETWEEN_LINES:
                last_line[name] = now
                say(f"{label}: {(queue.log(name) or ['starting'])[-1]}")
            elif name in done and state == "absent":
                took = f" after {now - waiting[name]:.0f} s" if waiting[name] else ""
                say(f"{label}: done{took}")
                del waiting[name]
            elif state == "failed":
                say(f"{label}: failed; the end of its log:")
                for line in queue.log(name)[-_LAST_LINES:]:
                    say(f"    {line}")
                failed.append(name)
                del waiting[name]
        alone = 0 if queue.workers() else alone + 1
        if waiting and alone == _LOOKS_ALONE:
            # A worker that found the queue empty may end just when something is put into it.
            if restarts == _RESTARTS or "queued" not in states.values():
                raise SrlabError(
                    "DVC's queue worker ended early; its log: .dvc/tmp/exps/celery/*.out. "
                    "The same command goes on"
                )
            alone, restarts = 0, restarts + 1
            queue.start(min(jobs, len(waiting)))
        if waiting:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    return failed
