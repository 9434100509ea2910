"""Runs a study as DVC experiments and writes its result: python -m pipeline.study NAME.

Not a stage of dvc.yaml: it runs the stages, in experiments.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from pipeline.stage import start

STUDIES = Path("pipeline/studies.yaml")
RESULTS = Path("metrics/studies")


def main(
    name: Annotated[str, typer.Argument(help="A study of pipeline/studies.yaml.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Train each arm for so long.")] = None,
    minutes: Annotated[float | None, typer.Option(help="The same in minutes.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="The same in epochs.")] = None,
    change: Annotated[
        list[str] | None,
        typer.Option("--set", "-S", help="key=value of params.yaml, for all."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Experiments at a time.")] = 1,
    with_others: Annotated[
        bool, typer.Option("--with-others", help="Start others' queued experiments, too.")
    ] = False,
) -> None:
    """Run what is missing of the study NAME as DVC experiments; write metrics/studies/NAME.json."""
    from srlab.params import load_params
    from srlab.studies.arms import budget_overrides, make_arms, parse_override
    from srlab.studies.experiments import has_changes, require_tracked
    from srlab.studies.fingerprint import experiment_name, source_hashes
    from srlab.studies.plan import load_plan

    plan = load_plan(STUDIES, name)
    params = load_params()
    shared = {
        **budget_overrides(plan, steps=steps, minutes=minutes, epochs=epochs),
        **dict(parse_override(text) for text in change or []),
    }
    arms = make_arms(plan, params.model_dump(), shared, source=f"{STUDIES}: {name}")

    from srlab.machine import device_name
    from srlab.studies.collect import Paths, collect
    from srlab.studies.queue import ExperimentQueue
    from srlab.studies.result import write_study
    from srlab.studies.running import run_arms
    from srlab.studies.summary import summary
    from srlab.training.fabric import device_type

    sources = source_hashes(Path.cwd(), plan.target)
    require_tracked([file for file in sources if Path(file).is_file()])
    if has_changes():
        _say("tracked files differ from the last commit; the experiments have your changes")
    device = device_name(device_type(params.trainer.accelerator))
    experiments = {experiment_name(name, arm, sources, device): arm for arm in arms}
    try:
        commits = run_arms(
            experiments,
            plan.target,
            ExperimentQueue(Path.cwd()),
            jobs=jobs,
            with_others=with_others,
            say=_say,
        )
    except KeyboardInterrupt:
        _say("interrupted; finished arms are kept, and the same command goes on")
        sys.exit(130)
    paths = Paths(
        metrics=f"metrics/{plan.method}.json",
        table=f"metrics/per_image/{plan.method}.csv",
        cost=f"metrics/costs/train_{plan.method}.json",
        results=f"results/{plan.method}",
        images="data/raw/test",
    )
    study = collect(
        name, plan, experiments, commits,
        shared=shared, paths=paths, device=device, output=RESULTS / name,
    )  # fmt: skip
    write_study(study, RESULTS / f"{name}.json")
    for line in summary(study):
        print(line)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    start(main)
