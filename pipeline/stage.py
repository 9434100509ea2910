"""How every stage starts and ends."""

import signal
import sys
from collections.abc import Callable
from types import FrameType

import typer

from srlab.errors import SrlabError


def start(main: Callable[..., None]) -> None:
    """Run a stage's `main` with the command line's arguments.

    Bad input ends in its one line and exit code 2; a termination ends like Ctrl-C, so that runs
    and files are closed.
    """
    signal.signal(signal.SIGTERM, _terminate)
    try:
        typer.run(main)
    except SrlabError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def _terminate(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)
