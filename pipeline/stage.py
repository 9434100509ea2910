"""How every stage starts and ends."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

import psutil
import typer

from srlab.errors import SrlabError

_SECONDS_BETWEEN_LOOKS = 0.5


def start(main: Callable[..., None]) -> None:
    """Run a stage's `main` with the command line's arguments.

    Bad input ends in its one line and exit code 2; a termination and Ctrl-C end in one line, too,
    with runs and files closed.
    """
    signal.signal(signal.SIGTERM, _terminate)
    _end_with_dvc()
    try:
        typer.run(main)
    except SrlabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted; to go on: dvc repro", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)


def _terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _end_with_dvc() -> None:
    """Terminate this process when the DVC that started it is gone.

    DVC dies of a termination without a word to its stage. That would go on, and write the same
    files as the stage of the next `dvc repro`.
    """
    if "DVC_STAGE" not in os.environ:
        return
    # A shell may stand between the two.
    dvc = next(filter(_is_dvc, psutil.Process().parents()), None)
    if dvc is not None:
        threading.Thread(target=_terminate_after, args=(dvc,), daemon=True).start()


def _terminate_after(process: psutil.Process) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(_SECONDS_BETWEEN_LOOKS)
    os.kill(os.getpid(), signal.SIGTERM)


def _is_dvc(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return any("dvc" in word for word in process.cmdline())
    return False
