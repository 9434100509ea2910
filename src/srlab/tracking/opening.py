"""Opening the run of a training: the one that it has, or a new one."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from filelock import FileLock

from srlab.provenance import git_commit, values_hash
from srlab.tracking.mlflow_run import MlflowRun
from srlab.tracking.owners import TAG, Owner, end_orphans
from srlab.tracking.patience import patiently
from srlab.tracking.protocol import Run, SilentRun
from srlab.tracking.store import Store, open_store, runs_folder
from srlab.tracking.warn import brief, warn

FINGERPRINT = "fingerprint"
"""The tag that says what a run trained: stage, params, data and code."""

_LONGEST_OPENING = 120.0


@contextlib.contextmanager
def run(
    name: str, params: Mapping[str, Any], data_sha256: str, *, fingerprint: str | None = None
) -> Iterator[Run]:
    """An MLflow run for the time of a `with` block, or its silent twin where there is no MLflow.

    It ends FINISHED, FAILED after an error, KILLED after Ctrl-C or a termination.

    Args:
        name: the run's name.
        params: hyperparameters, nested as in params.yaml; logged under dotted names.
        data_sha256: what the run is trained on; tagged, with stage, experiment and commit.
        fingerprint: of everything that decides what the training computes. A run that has it is
            opened again, unless a process is at it, or it was as long as a clock said. Without a
            fingerprint, the run is a new one.
    """
    tags = {"data_sha256": data_sha256, "params_sha256": values_hash(params), **_origin()}
    active = _try_to_open(name, params, tags, fingerprint)
    if active is None:
        yield SilentRun()
        return
    status = "FAILED"
    try:
        active.watch_system()
        yield active
        status = "FINISHED"
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        active.end(status)


def open_run(
    store: Store,
    name: str,
    params: Mapping[str, Any],
    tags: Mapping[str, str],
    *,
    known_by: str | None,
    owner: Owner,
) -> MlflowRun:
    """Open the run that a tag tells of, or make one. To be called inside of `one_at_a_time`.

    Args:
        store: where.
        name, params: see `run`.
        tags: of the run.
        known_by: the tag that no two runs share; a new run is made if it is None.
        owner: this process.

    Raises:
        Exception: the store does not answer; trying again with the same owner makes no second run.
    """
    tags = {**tags, TAG: owner.name}
    # What an attempt made whose answer was lost is there, too.
    found = next(iter(runs_with(store, TAG, owner.name)), None)
    if found is None and known_by is not None:
        found = find_run(store, known_by, tags[known_by])
    if found is not None:
        run_id = found.info.run_id
        # The owner first: whoever finds the run RUNNING must find out whose it is.
        for tag, value in tags.items():
            store.client.set_tag(run_id, tag, value)
        store.client.update_run(run_id, status="RUNNING")
    else:
        from mlflow.tracking.context.registry import resolve_tags

        created = store.client.create_run(
            store.experiment_id, tags=resolve_tags(tags), run_name=name
        )
        run_id = created.info.run_id
    opened = MlflowRun(store, run_id, owner, fresh=found is None)
    opened.log_params(flatten(params))
    return opened


@contextlib.contextmanager
def one_at_a_time() -> Iterator[None]:
    """Runs of a project are opened one after the other: two must not open the same.

    Raises:
        filelock.Timeout: another process has been at it for two minutes.
    """
    runs_folder().mkdir(parents=True, exist_ok=True)
    with FileLock(runs_folder() / "opening.lock", timeout=_LONGEST_OPENING):
        yield


def _try_to_open(
    name: str, params: Mapping[str, Any], tags: Mapping[str, str], fingerprint: str | None
) -> MlflowRun | None:
    known_by = None
    if fingerprint is not None:
        tags, known_by = {**tags, FINGERPRINT: fingerprint}, FINGERPRINT
    owner: Owner | None = None

    def attempt() -> MlflowRun:
        nonlocal owner
        store = open_store()
        with one_at_a_time():
            end_orphans(store)
            owner = owner or Owner(store.uri)
            opened = open_run(store, name, params, tags, known_by=known_by, owner=owner)
            opened.send_left()
        return opened

    try:
        return patiently(attempt)
    except ImportError:
        warn("MLflow is not installed; this run is not tracked")
    except Exception as error:
        warn(
            f"MLflow cannot be used ({brief(error)}); this run is not tracked. "
            "To make up for it later: srlab runs sync"
        )
        if owner is not None:
            owner.leave(settled=False)
    return None


def find_run(store: Store, tag: str, value: str) -> Any | None:
    """The run to go on with: finished rather than broken off, late rather than early.

    A run that counted minutes and finished would not come out the same again; one under way
    belongs to its process.
    """
    ended = [run for run in runs_with(store, tag, value) if run.info.status != "RUNNING"]
    done = [run for run in ended if run.info.status == "FINISHED"]
    good = [run for run in done if run.data.tags.get("repeatable") != "false"]
    return next(iter(good or [run for run in ended if run not in done]), None)


def runs_with(store: Store, tag: str, value: str) -> list[Any]:
    """The runs that have a tag, the latest first."""
    return list(store.client.search_runs([store.experiment_id], f"tags.{tag} = '{value}'"))


def _origin() -> dict[str, str]:
    """Where a run comes from: DVC's stage and experiment, the commit."""
    known = {
        "dvc_stage": os.environ.get("DVC_STAGE"),
        "dvc_experiment": os.environ.get("DVC_EXP_NAME"),
        "git_commit": git_commit(),
    }
    return {name: value for name, value in known.items() if value}


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested params under dotted names, as text, which is what MLflow keeps."""
    flat: dict[str, str] = {}
    for name, value in params.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = str(value)
    return flat
