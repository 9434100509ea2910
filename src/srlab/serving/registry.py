"""The model registry: a version of `srlab-METHOD` for each network that was scored.

The alias `champion` is at the best of them. Who is better is asked within one test only: the same
images, scales, protocol and metric.
"""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from srlab.serving.saving import save_for_serving
from srlab.serving.scored import Result, ScoredNetwork
from srlab.tracking.opening import one_at_a_time
from srlab.tracking.patience import patiently
from srlab.tracking.store import Store, open_store
from srlab.tracking.warn import brief, warn

CHAMPION = "champion"
"""The alias of the best version."""


def register(scored: ScoredNetwork) -> None:
    """Register a network, move the champion if it is better, and say so in one line.

    A network that is registered already gets its scores, but no second version. That MLflow cannot
    be used is a warning and no error: scores are worth having without it.
    """
    name = f"srlab-{scored.method}"
    if not scored.scores:
        print(f"{scored.weights} was not scored, so it is not registered as {name}")
        return
    result = scored.result()

    def attempt() -> None:
        store = open_store()
        # One stage after the other: two that meet must not both be the first champion.
        with one_at_a_time():
            version = _find(store, name, scored) or _create(store, name, scored)
            print(_judge(store, name, version, scored, result))

    try:
        patiently(attempt)
    except ImportError:
        warn(f"MLflow is not installed; {scored.weights} is not registered as {name}")
    except Exception as error:
        stage = os.environ.get("DVC_STAGE", "STAGE")
        warn(
            f"MLflow cannot be used ({brief(error)}); {scored.weights} is not registered as "
            f"{name}. To make up for it later: dvc repro --force --single-item {stage}"
        )


def _find(store: Store, name: str, scored: ScoredNetwork) -> str | None:
    """The version of this very network."""
    for version in store.client.search_model_versions(f"name = '{name}'"):
        if scored.identity.items() <= version.tags.items():
            return str(version.version)
    return None


def _create(store: Store, name: str, scored: ScoredNetwork) -> str:
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    _make_name(store, name)
    run_id = _known(store, scored.run_id)
    model = store.client.create_logged_model(store.experiment_id, name, source_run_id=run_id)
    try:
        with tempfile.TemporaryDirectory() as folder:
            saved = Path(folder) / "model"
            described = Model(model_uuid=model.model_id, model_id=model.model_id, run_id=run_id)
            save_for_serving(scored, saved, described)
            store.client.log_model_artifacts(model.model_id, str(saved))
        store.client.finalize_logged_model(model.model_id, "READY")
    except BaseException:
        with contextlib.suppress(Exception):
            store.client.finalize_logged_model(model.model_id, "FAILED")
        raise
    if run_id is not None:
        store.client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
    with _used_globally(store.uri):
        version = store.client.create_model_version(
            name,
            source=model.artifact_location,
            run_id=run_id,
            model_id=model.model_id,
            tags={**scored.identity, "git_commit": scored.git_commit or "unknown"},
        )
    return str(version.version)


@contextlib.contextmanager
def _used_globally(uri: str) -> Iterator[None]:
    """MLflow looks for a model without a run in its global store, whatever store a client has."""
    import mlflow

    before: Any = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)


def _make_name(store: Store, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        store.client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _known(store: Store, run_id: str | None) -> str | None:
    """The run if this store has it; a network that DVC restored was trained elsewhere."""
    if run_id is None:
        return None
    found = store.client.search_runs([store.experiment_id], f"attributes.run_id = '{run_id}'")
    return run_id if found else None


def _judge(
    store: Store, name: str, version: str, scored: ScoredNetwork, result: Result | None
) -> str:
    """Note a version's scores, and move the alias if they are better than the champion's."""
    tags = {
        **scored.score_tags(),
        "data.test": ", ".join(folder.name for folder in scored.folders),
        **({} if result is None else {_tag(result): str(result.value)}),
    }
    for tag, value in tags.items():
        store.client.set_model_version_tag(name, version, tag, value)
    champion = store.client.get_registered_model(name).aliases.get(CHAMPION)
    this = f"{name} version {version}"
    if str(champion) == version:
        return f"{this} is the champion already"
    if champion is None:
        store.client.set_registered_model_alias(name, CHAMPION, version)
        return f"{this} is the first champion"
    if result is None:
        return f"{this} was not scored by what decides; version {champion} stays the champion"
    known = store.client.get_model_version(name, champion).tags.get(_tag(result))
    if known is None:
        return (
            f"{this} cannot be compared with the champion, version {champion}, which was not "
            "scored on these images; it stays the champion"
        )
    scores = f"{result.metric} {result.value:.4f} against {float(known):.4f} ({result.protocol})"
    if not result.better_than(float(known)):
        return f"{this} is not better than the champion, version {champion}: {scores}"
    store.client.set_registered_model_alias(name, CHAMPION, version)
    return f"{this} is the champion, before it version {champion}: {scores}"


def _tag(result: Result) -> str:
    """The name of the tag that a result stands in."""
    return f"{result.metric}.{result.protocol}.{result.test}"
