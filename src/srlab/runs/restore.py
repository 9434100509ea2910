"""A run for a network that this store has not seen trained.

DVC restores a stage's outputs from its cache, or fetches them from a remote, without running it.
The outputs carry enough to tell its run anew: params, origin, curves, weights and costs.
"""

from srlab.runs.curves import curves_of_files
from srlab.runs.trained import Trained
from srlab.tracking.opening import FINGERPRINT, find_run, open_run, runs_with
from srlab.tracking.owners import Owner
from srlab.tracking.store import Store

RESTORED_FROM = "restored_from"
"""The tag that names the run whose outputs a run was made from."""


def restore(store: Store, trained: Trained) -> str | None:
    """Make the run if the store lacks it. To be called inside of `one_at_a_time`.

    Returns:
        What was done, in words; None where nothing was to do.

    Raises:
        SrlabError: the curves are damaged.
        Exception: the store does not answer; the run is then told to the end the next time.
    """
    if trained.run_id is not None and has_run(store, trained.run_id):
        return None
    card = trained.card
    if card.fingerprint is not None:
        tag, value = FINGERPRINT, card.fingerprint
    elif trained.run_id is not None:
        tag, value = RESTORED_FROM, trained.run_id
    else:
        return "was not tracked and has no fingerprint to know a run by; it is left out"
    there = runs_with(store, tag, value)
    if any(run.info.status == "RUNNING" for run in there):
        return "is being trained; its run is left alone"
    if any(run.info.status == "FINISHED" for run in there):
        return None
    completed = find_run(store, tag, value) is not None
    curves = curves_of_files(trained.curves)
    tags = {
        "dvc_stage": trained.stage,
        "data_sha256": card.data_sha256,
        "params_sha256": card.params_sha256,
        "git_commit": card.git_commit or "unknown",
        # MLflow's own tag would name the commit of today.
        "mlflow.source.git.commit": (card.git_commit or "unknown").partition("+")[0],
        RESTORED_FROM: trained.run_id or "an untracked training",
        **({} if card.fingerprint is None else {FINGERPRINT: card.fingerprint}),
        **({} if trained.params_known else {"params_known": "of the network only"}),
    }
    owner = Owner(store.uri)
    name = trained.stage.removeprefix("train_")
    run = open_run(store, name, trained.params, tags, known_by=tag, owner=owner)
    for metric, points in curves.items():
        for step, point in points.items():
            run.log_metrics({metric: point}, step=step)
    run.log_file(trained.weights)
    run.log_file(trained.cost)
    run.end("FINISHED")
    return f"{'completed' if completed else 'made'} run {run.id} from {trained.run_id or 'files'}"


def has_run(store: Store, run_id: str) -> bool:
    """Whether the store has a run, perhaps one that people have deleted.

    Raises:
        Exception: the store does not answer.
    """
    from mlflow.exceptions import MlflowException

    try:
        store.client.get_run(run_id)
    except MlflowException as error:
        # An id that is none is refused otherwise than one that nobody has.
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return False
        raise
    return True
