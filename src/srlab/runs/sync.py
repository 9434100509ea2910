"""`srlab runs sync`: bring MLflow to what the project knows."""

from collections.abc import Iterator
from pathlib import Path

from srlab.errors import SrlabError
from srlab.runs.restore import has_run, restore
from srlab.runs.trained import NotHere, trained_networks
from srlab.tracking.opening import one_at_a_time
from srlab.tracking.owners import end_orphans
from srlab.tracking.store import Store, open_store, unsent_folder
from srlab.tracking.unsent import send_unsent
from srlab.tracking.warn import brief


def sync(root: Path) -> list[str]:
    """Send what runs could not send, and tell runs of networks that the store has not seen trained.

    A second call finds nothing to do.

    Args:
        root: the project's folder.

    Returns:
        What was done, line by line.

    Raises:
        SrlabError: MLflow cannot be used, or a file is damaged. What was done until then stays.
    """
    try:
        store = open_store()
        with one_at_a_time():
            end_orphans(store)
            done = [*_unsent(store), *_restored(store, root)]
    except SrlabError:
        raise
    except ImportError:
        raise SrlabError("MLflow is not installed; install it: pip install --editable .") from None
    except Exception as error:
        raise SrlabError(
            f"MLflow cannot be used ({brief(error)}); nothing is lost, try again later"
        ) from error
    return done or [f"{store.name}: nothing is missing"]


def _unsent(store: Store) -> Iterator[str]:
    for path in sorted(unsent_folder().glob("*.jsonl")):
        run_id = path.stem
        if not has_run(store, run_id):
            yield f"run {run_id} is not in {store.name}; {path} is kept"
            continue
        if store.client.get_run(run_id).info.status == "RUNNING":
            yield f"run {run_id} is under way; {path} is kept"
            continue
        if sent := send_unsent(store, run_id, end=True):
            yield (
                f"run {run_id} got {len(sent.metrics)} values, {len(sent.images)} images and "
                f"{len(sent.files)} files that it had not sent"
            )


def _restored(store: Store, root: Path) -> Iterator[str]:
    for trained in trained_networks(root):
        if isinstance(trained, NotHere):
            yield f"{trained.stage}: {trained.reason}"
        elif said := restore(store, trained):
            yield f"{trained.stage}: {said}"
