"""Kills a running pipeline again and again, and holds what it leaves against an undisturbed one.

    python tests/kill_repro.py --kills 20 --seed 0

Two clones of the work tree run `dvc repro` with the smoke profile and longer trainings. One is left
alone. The other is killed at random moments spread over all stages, and started again each time
with the same command. In the end both must have the same outputs (`pipeline_outputs` says what is
left out), MLflow one finished run per training with every point once, and nothing may be left over.
Prints a paragraph in Markdown; exits with 1 where anything differs.
"""

import argparse
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tracked_runs
from clones import START, clone, make_repository, ran, run
from followed_repro import FollowedRepro, run_undisturbed
from pipeline_outputs import differences, outputs

CHECKPOINTS = {"SRLAB_CHECKPOINT_SECONDS": "0.2"}
STEPS = 400


def _stage_or_all(number: signal.Signals) -> Callable[[FollowedRepro], None]:
    def send(repro: FollowedRepro) -> None:
        if not repro.signal_stage(number):
            repro.signal_all(number)

    return send


ENDINGS: dict[str, Callable[[FollowedRepro], None]] = {
    "SIGKILL to all": lambda repro: repro.signal_all(signal.SIGKILL),
    "SIGTERM to the stage": _stage_or_all(signal.SIGTERM),
    "SIGINT to the stage": _stage_or_all(signal.SIGINT),
    "Ctrl-C": lambda repro: repro.signal_all(signal.SIGINT),
    "SIGTERM to all": lambda repro: repro.signal_all(signal.SIGTERM),
    "SIGKILL to DVC alone": lambda repro: repro.signal_dvc(signal.SIGKILL),
}
_TEN = [
    "SIGKILL to all", "SIGTERM to the stage", "SIGINT to the stage", "SIGKILL to all", "Ctrl-C",
    "SIGKILL to all", "SIGKILL to DVC alone", "SIGKILL to all", "SIGTERM to all", "SIGKILL to all",
]  # fmt: skip


@dataclass(frozen=True)
class Kill:
    """When and how a `dvc repro` is ended."""

    stage: str
    """In this stage, or the first one after it that still has to run."""
    moment: float
    """What share of its time the stage gets; after a checkpoint, of a second."""
    step: int
    """Wait for a checkpoint of this step first; 0 in stages that train nothing."""
    ending: str
    """A key of `ENDINGS`."""


@dataclass
class Course:
    """What happened to the pipeline that was killed."""

    killed: list[tuple[str, str]] = field(default_factory=list)
    """(stage, ending)"""
    resumed: int = 0
    """How often a training went on from a checkpoint."""
    mended: list[str] = field(default_factory=list)
    """What `srlab mend` had to repair, since DVC refused to start."""
    seconds: float = 0.0


def plan_kills(
    kills: int, seconds: Mapping[str, float], steps: int, chance: random.Random
) -> list[Kill]:
    """Random moments, in the order of the pipeline.

    Each training is killed twice between its steps before every stage is killed once at any moment
    from its start to the start of the next, so that DVC is hit, too, while it notes the results.

    Args:
        kills: how many.
        seconds: of each stage, in the order of the pipeline, when nothing disturbs it.
        steps: of each training.
        chance: draws.
    """
    order = list(seconds)
    trainings = [stage for stage in order if stage.startswith("train_")]
    moments: list[tuple[int, int, float]] = []
    while len(moments) < kills:
        # The second checkpoint may be late: writing one must not take more than 2 % of the time.
        for latest in (steps // 4, steps // 2):
            for stage in chance.sample(trainings, len(trainings)):
                moments.append((order.index(stage), chance.randint(1, latest), chance.random()))
        for stage in chance.sample(order, len(order)):
            moments.append((order.index(stage), 0, chance.random()))
    endings = (_TEN * kills)[:kills]
    chance.shuffle(endings)
    return [
        Kill(order[stage], moment, step, ending)
        for (stage, step, moment), ending in zip(sorted(moments[:kills]), endings, strict=True)
    ]


def run_killed(folder: Path, kills: list[Kill], seconds: Mapping[str, float]) -> Course:
    """Run the pipeline to its end, through kills.

    Args:
        folder: the pipeline's.
        kills: see `plan_kills`.
        seconds: as there.

    Raises:
        AssertionError: DVC fails otherwise than by a kill.
    """
    course = Course()
    order = list(seconds)
    start = time.monotonic()
    for kill in kills:
        # A stage may have ended without the checkpoint that was waited for; then it is the next's
        # turn, which may be a short one.
        later = order[order.index(kill.stage) :]
        waits = {stage: kill.moment * (1.0 if kill.step else seconds[stage]) for stage in later}
        repro = _started(folder, course, waits, kill.step)
        if repro is None:
            break
        course.killed.append((repro.stage or "before any stage", kill.ending))
        ENDINGS[kill.ending](repro)
        repro.wait()
        course.resumed += repro.output.count("goes on from the checkpoint")
    last = _started(folder, course)
    assert last is None
    course.seconds = time.monotonic() - start
    return course


def _started(
    folder: Path, course: Course, waits: Mapping[str, float] | None = None, step: int = 0
) -> FollowedRepro | None:
    """A `dvc repro` that is where it is to be killed; None if it ends well before."""
    for _ in range(2):
        repro = FollowedRepro(folder, CHECKPOINTS)
        if waits and repro.reach(waits, step=step):
            return repro
        code = repro.wait()
        course.resumed += repro.output.count("goes on from the checkpoint")
        if code == 0:
            return None
        mended = run(folder, "srlab", "mend").splitlines()
        assert mended, repro.output
        course.mended += mended
    raise AssertionError(f"dvc repro fails after a repair, too:\n{repro.output}")


def complaints(undisturbed: Path, killed: Path) -> list[str]:
    """Everything that is wrong with a pipeline that was killed, a line each."""
    lines = differences(outputs(undisturbed), outputs(killed))
    lines += tracked_runs.complaints(killed)
    for name in ("resume", "unsent", "diverged"):
        left = [path for path in (killed / ".srlab" / name).rglob("*") if path.is_file()]
        lines += [f"{path.relative_to(killed)} is left over" for path in left]
    again = run(killed, "dvc", "repro")
    if ran(again) or "up to date" not in again:
        lines.append(f"dvc repro has something to do: {ran(again)}")
    return lines


def summary(course: Course, compared: int, wrong: list[str]) -> str:
    """A paragraph in Markdown."""
    stages = Counter(stage for stage, _ in course.killed)
    endings = Counter(ending for _, ending in course.killed)
    result = "**nothing was lost**" if not wrong else f"**{len(wrong)} things are wrong**"
    return (
        f"Killed {len(course.killed)} times ({_counted(endings)}) in {_counted(stages)}; "
        f"trainings went on from a checkpoint {course.resumed} times, and `srlab mend` had to "
        f"repair DVC's own files {len(course.mended)} times. {result[:2]}"
        f"{result[2:3].upper()}{result[3:]}: {compared} output files compared with those of an "
        f"undisturbed run, one MLflow run per training with every point once "
        f"({course.seconds:.0f} s)."
    )


def _counted(counts: Counter[str]) -> str:
    return ", ".join(name if count == 1 else f"{name} ({count})" for name, count in counts.items())


def main() -> None:
    parser = argparse.ArgumentParser(description="Kill a running pipeline, and see what it leaves.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=STEPS, help="of each training")
    arguments = parser.parse_args()
    changes = {f"{name}.budget.steps": arguments.steps for name in ("memnet", "srresnet", "srgan")}
    with tempfile.TemporaryDirectory(prefix="kill-repro-") as work:
        repository = make_repository(Path(work, "repository"), changes)
        undisturbed = clone(repository, Path(work, "undisturbed"), START)
        stages = run_undisturbed(undisturbed)
        _say(f"undisturbed: {len(stages)} stages in {sum(stages.values()):.0f} s")
        killed = clone(repository, Path(work, "killed"), START)
        chance = random.Random(arguments.seed)
        kills = plan_kills(arguments.kills, stages, arguments.steps, chance)
        course = run_killed(killed, kills, stages)
        wrong = complaints(undisturbed, killed)
        for line in (*course.mended, *wrong):
            _say(line)
        print(summary(course, len(outputs(undisturbed)), wrong))
    sys.exit(1 if wrong or len(course.killed) < arguments.kills else 0)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
