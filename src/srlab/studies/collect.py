"""From finished experiments to a study's result."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from srlab.errors import SrlabError
from srlab.params import ProtocolName
from srlab.provenance import git_commit, values_hash
from srlab.report.bootstrap import paired_difference
from srlab.studies.arms import Arm, Overrides, budget_of
from srlab.studies.pictures import Pictures, write_crops
from srlab.studies.plan import Decision, Plan
from srlab.studies.result import ArmResult, Study, StudyDifference


@dataclass(frozen=True)
class Paths:
    """Where an experiment has what the stages wrote."""

    metrics: str
    """See `srlab.evaluation.write_scores`."""
    table: str
    """Its rows per image."""
    cost: str
    """The training's cost card, see `srlab.costs`."""
    results: str
    """See `srlab.evaluation.evaluate`."""
    images: str
    """Folder of the true images' datasets."""


def collect(
    name: str,
    plan: Plan,
    arms: Mapping[str, Arm],
    commits: Mapping[str, str],
    *,
    shared: Overrides,
    paths: Paths,
    device: str,
    output: Path,
) -> Study:
    """Read all experiments of a study, compare them, write their pictures.

    Args:
        name, plan: the study.
        arms: name of the experiment -> arm.
        commits: name of the experiment -> its commit.
        shared: changes of params.yaml besides the plan's own, of all arms.
        paths: where to look in an experiment.
        device: name of what computed.
        output: folder for the pictures.

    Raises:
        SrlabError: an experiment lacks something, or the arms were scored on different images.
    """
    from dvc.api import DVCFileSystem

    files = {arms[key].name: DVCFileSystem(".", rev=commits[key]) for key in arms}
    pictures = Pictures()
    first = next(iter(arms.values()))
    if plan.pictures is not None:
        pictures = write_crops(
            plan.pictures,
            files,
            first.params.data.test,
            images=paths.images,
            results=paths.results,
            output=output,
        )
    results = [
        _arm_result(
            arm,
            key,
            commits[key],
            files[arm.name],
            plan.decision,
            paths,
            pictures.of_arms.get(arm.name, {}),
        )
        for key, arm in arms.items()
    ]
    return Study(
        study=name,
        title=plan.title,
        question=plan.question,
        paper=plan.paper,
        metric=plan.decision.metric,
        budget=budget_of(plan, first.params),
        overrides={**plan.overrides, **shared},
        params_sha256=values_hash(
            {arm.name: arm.params.model_dump(exclude={"report"}) for arm in arms.values()}
        ),
        git_commit=git_commit(),
        device=device,
        arms=results,
        differences=differences(results, plan.against, plan.decision.metric),
        truth=pictures.truth,
    )


def differences(arms: list[ArmResult], against: str, metric: str) -> list[StudyDifference]:
    """Each arm against one of them, wherever the deciding metric was computed for both.

    Raises:
        SrlabError: the arms were not scored on the same images.
    """
    base = next(arm for arm in arms if arm.name == against)
    found = []
    for arm in arms:
        if arm is base:
            continue
        for protocol, dataset, scale in _cells(base):
            ours, theirs = (x.per_image.get(protocol, {}).get(dataset, {}).get(scale, {})
                            for x in (arm, base))  # fmt: skip
            if ours.keys() != theirs.keys():
                raise SrlabError(
                    f"arms {arm.name} and {against} were scored on different images of {dataset} "
                    f"({protocol}, {scale}); run the study again"
                )
            pairs = [(a, theirs[image]) for image, a in ours.items()]
            both = [(a, b) for a, b in pairs if a is not None and b is not None]
            if not both:
                continue
            difference = paired_difference([a for a, _ in both], [b for _, b in both])
            found.append(
                StudyDifference(
                    arm=arm.name,
                    against=against,
                    metric=metric,
                    protocol=protocol,
                    dataset=dataset,
                    scale=int(scale[1:]),
                    mean=difference.mean,
                    low=difference.low,
                    high=difference.high,
                    images=difference.images,
                )
            )
    return found


def _cells(arm: ArmResult) -> list[tuple[str, str, str]]:
    return [
        (protocol, dataset, scale)
        for protocol, datasets in arm.per_image.items()
        for dataset, scales in datasets.items()
        for scale in scales
    ]


def _arm_result(
    arm: Arm,
    experiment: str,
    commit: str,
    files: Any,
    decision: Decision,
    paths: Paths,
    pictures: dict[str, str],
) -> ArmResult:
    where = f"experiment {experiment}"
    try:
        tree = json.loads(files.read_text(paths.metrics))
        rows = list(csv.DictReader(files.read_text(paths.table).splitlines()))
        made_by = tree["made_by"]
        return ArmResult(
            name=arm.name,
            overrides=dict(arm.own),
            experiment=experiment,
            commit=commit,
            mlflow_run_id=made_by["mlflow_run_id"],
            weights_sha256=made_by["weights_sha256"],
            params_sha256=made_by["params_sha256"],
            data_sha256=made_by["data_sha256"],
            git_commit=made_by["git_commit"],
            seconds=float(json.loads(files.read_text(paths.cost))["seconds"]),
            scores={name: tree[name] for name in get_args(ProtocolName) if name in tree},
            per_image=_deciding_rows(rows, decision),
            pictures=pictures,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SrlabError(
            f"{where}: {paths.metrics}, {paths.table} or {paths.cost} is not what the stage "
            f"writes ({error}); remove it and run the study again: dvc exp remove {experiment}"
        ) from error


def _deciding_rows(rows: list[dict[str, str]], decision: Decision) -> dict[str, dict]:
    """{protocol: {dataset: {"x4": {image: value}}}}"""
    tree: dict[str, dict] = {}
    for row in rows:
        protocol, dataset, scale = row["protocol"], row["dataset"], int(row["scale"])
        if protocol not in decision.protocols or scale not in decision.scales:
            continue
        if decision.datasets is not None and dataset not in decision.datasets:
            continue
        value = row[decision.metric]
        cell = tree.setdefault(protocol, {}).setdefault(dataset, {}).setdefault(f"x{scale}", {})
        cell[row["image"]] = float(value) if value else None
    return tree
