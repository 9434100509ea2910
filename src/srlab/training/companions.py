"""The other processes of this machine: started here, and none outlives the others.

Where one dies, the others wait for it in their next exchange: with gloo until the connection is
seen to be closed, with NCCL for minutes. So the first process watches those that it has started,
and each of them watches the first. Fabric could start them, too, but it kills the first process
within five seconds of a death, so that its MLflow run would never be closed. torchrun watches what
it has started by itself.
"""

import atexit
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from subprocess import Popen, TimeoutExpired

_SECONDS_BETWEEN_LOOKS = 0.2
_SECONDS_TO_END = 20
"""For closing the run and its files, after another process has died."""
_SECONDS_TO_LEAVE = 5
"""For the others, after this one is done: they have nothing to write."""


def start_companions(count: int) -> None:
    """Run this script in further processes; to be called before anything was written.

    They and this one find each other by the environment variables that Fabric reads.

    Args:
        count: processes, with this one.
    """
    os.environ["MASTER_ADDR"] = "127.0.0.1"
    os.environ["MASTER_PORT"] = str(_free_port())
    os.environ["NODE_RANK"] = os.environ["LOCAL_RANK"] = "0"
    os.environ["WORLD_SIZE"] = str(count)
    children = [
        Popen(_command(), env={**os.environ, "LOCAL_RANK": str(rank)}) for rank in range(1, count)
    ]

    ending = threading.Event()

    def look() -> bool:
        for rank, child in enumerate(children, start=1):
            if child.poll() and not ending.is_set():
                how = f"signal {-child.returncode}" if child.returncode < 0 else "an error"
                print(
                    f"error: process {rank} of this training was ended by {how}; so are the others",
                    file=sys.stderr,
                    flush=True,
                )
                time.sleep(_SECONDS_TO_END)
                for other in children:
                    other.kill()
                os._exit(1)
        return all(child.returncode == 0 for child in children)

    def end() -> None:
        ending.set()
        for child in children:
            try:
                child.wait(_SECONDS_TO_LEAVE)
            except TimeoutExpired:
                child.kill()

    atexit.register(end)
    _watch(look)


def end_with_parent() -> None:
    """End this process, too, when the one that has started it is gone."""
    parent = os.getppid()

    def look() -> bool:
        if os.getppid() != parent:
            # Not an exception: the main thread may be waiting in an exchange.
            os._exit(1)
        return False

    _watch(look)


def _watch(look: Callable[[], bool]) -> None:
    """Look until there is nothing more to see."""

    def watch() -> None:
        while not look():
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    threading.Thread(target=watch, name="companions", daemon=True).start()


def _command() -> list[str]:
    module = sys.modules["__main__"].__spec__
    script = [os.path.abspath(sys.argv[0])] if module is None else ["-m", module.name]
    return [sys.executable, *script, *sys.argv[1:]]


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
