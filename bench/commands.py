"""srlab's commands and stages in processes of their own, as users and DVC start them."""

import os
import subprocess
import sys
from pathlib import Path

from srlab.errors import SrlabError
from srlab.workspace import mirror

MAIN = "from srlab.cli import main; main()"
"""What the command `srlab` does."""

_FOREIGN = ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI")
_OFFLINE = {"PIP_NO_INDEX": "1", "https_proxy": "http://127.0.0.1:9", "DVC_NO_ANALYTICS": "true"}


def run(folder: Path, *command: str, threads: int) -> str:
    """What a command prints, with the srlab of a project's folder and without a network.

    Args:
        folder: the project's, in which the command runs.
        command: a program on the path or in this Python's environment, and its arguments.
        threads: that it may use.

    Raises:
        SrlabError: it is not there, or fails.
    """
    environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN}
    environment |= {
        **_OFFLINE,
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join([str(folder / "src"), str(folder)]),
        "OMP_NUM_THREADS": str(threads),
    }
    if (images := mirror()) is not None:
        environment["SRLAB_MIRROR"] = images
    try:
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    except FileNotFoundError:
        raise SrlabError(f"{command[0]}: not found; install it") from None
    if done.returncode:
        last = ([line for line in done.stderr.splitlines() if line.strip()] or ["it says nothing"])[
            -1
        ]
        raise SrlabError(f"{' '.join(command)}: exit code {done.returncode} ({last.strip()})")
    return done.stdout
