"""Work in a fresh process, whose memory is its own."""

import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Spent(Generic[T]):
    """What a child gave."""

    value: T
    peak_bytes: int
    """The largest resident size of the whole process, Python and torch included."""


class Child:
    """A fresh process that lives until it is left.

    Args:
        threads: that torch may use in it.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = ProcessPoolExecutor(1, mp_context=get_context("spawn"))

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *error: object) -> None:
        self._pool.shutdown()

    def call(self, function: Callable[..., T], *arguments: Any) -> Spent[T]:
        """Call a function of a module in it.

        Args:
            function, arguments: what is called; both are pickled.

        Raises:
            Exception: what the function raises; BrokenProcessPool where the process is killed, as
                it is where memory runs out.
        """
        return self._pool.submit(_call, function, arguments, self._threads).result()


def in_child(function: Callable[..., T], *arguments: Any, threads: int) -> Spent[T]:
    """Call a function of a module in a fresh process, see `Child`."""
    with Child(threads) as child:
        return child.call(function, *arguments)


def anonymous_bytes() -> int:
    """Resident memory of this process that belongs to no file, on Linux; elsewhere all of it."""
    return _status("RssAnon") or _largest_size()


def _call(function: Callable[..., T], arguments: tuple[Any, ...], threads: int) -> Spent[T]:
    import torch

    torch.set_num_threads(threads)
    value = function(*arguments)
    # Not getrusage's on Linux: that also counts what this process was before it was another one.
    return Spent(value, _status("VmHWM") or _largest_size())


def _status(field: str) -> int | None:
    """Bytes, from Linux's account of this process; None elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        name, _, value = line.partition(":")
        if name == field:
            return int(value.removesuffix("kB")) * 1024
    return None


def _largest_size() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
