"""What a run left in a file since its store did not take it, and sending it later."""

import shutil

from srlab.tracking.delivery import Delivery
from srlab.tracking.outbox import Outbox, files_beside
from srlab.tracking.store import Store, unsent_folder


def send_unsent(store: Store, run_id: str, *, end: bool) -> Outbox | None:
    """Send what a run left, and remove its file.

    To be called while no other process opens or sends to the run.

    Args:
        store, run_id: the run.
        end: whether it ends now as it ended then; if not, it goes on.

    Returns:
        What there was to send; None where there was nothing.

    Raises:
        SrlabError: the file is damaged.
        Exception: the store does not answer; the file is then as it was.
    """
    path = unsent_folder() / f"{run_id}.jsonl"
    if not path.exists():
        return None
    Delivery(store.client, run_id, fresh=False).send(Outbox.read(path))
    left = Outbox.read(path)
    if end and left.ended is not None:
        store.client.set_terminated(run_id, *left.ended)
    path.unlink()
    shutil.rmtree(files_beside(path), ignore_errors=True)
    return left
