"""Trying again what a busy or restarting tracking server has not done."""

import time
from collections.abc import Callable
from typing import TypeVar

from srlab.tracking.store import is_refusal

_PAUSES = (1.0, 3.0)

Done = TypeVar("Done")


def patiently(attempt: Callable[[], Done]) -> Done:
    """What an attempt gives; one that fails is made again after a pause, twice at most.

    Raises:
        Exception: the last attempt's; at once where MLflow is not installed or has refused, which
            waiting does not change.
    """
    for pause in _PAUSES:
        try:
            return attempt()
        except ImportError:
            raise
        except Exception as error:
            if is_refusal(error):
                raise
            time.sleep(pause)
    return attempt()
