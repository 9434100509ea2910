"""What a stage cost: wall time, memory, device.

Every stage writes a cost card, `metrics/costs/STAGE.json`, which the report shows. A stage that DVC
restores from its cache brings the card of the run that made it.
"""

import contextlib
import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError
from srlab.machine import device_name


@contextlib.contextmanager
def measured(path: Path) -> Iterator[dict[str, Any]]:
    """Measure a `with` block and write its cost card when it ends well.

    Yields:
        What else belongs on the card, to be filled: `device` (torch's type; cpu if not given),
        numbers by name. `earlier_seconds`, of what an interruption ended, are added to the time.
    """
    details: dict[str, Any] = {}
    start = time.monotonic()
    yield details
    seconds = time.monotonic() - start + details.pop("earlier_seconds", 0.0)
    device = details.pop("device", "cpu")
    card = {
        "seconds": round(seconds, 2),
        "peak_memory_mib": round(_peak_memory_bytes() / 2**20),
        "device": device_name(device),
        **details,
    }
    if device == "cuda":
        import torch

        card["peak_gpu_memory_mib"] = round(torch.cuda.max_memory_allocated() / 2**20)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(card, indent=2) + "\n")


def read_run_id(path: Path) -> str | None:
    """The MLflow run that a training's cost card names; None where it was not tracked.

    Raises:
        SrlabError: the file is not a training's cost card.
    """
    try:
        run_id: str | None = json.loads(path.read_text())["mlflow_run_id"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SrlabError(
            f"{path}: not the cost card of a training ({error}); make it again: dvc repro"
        ) from error
    return run_id


def _peak_memory_bytes() -> int:
    """The largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
