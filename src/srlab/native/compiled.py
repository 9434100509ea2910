"""Loops in C++, where PyTorch's own operations do the same, but wait for memory more often.

A source file of this folder is compiled for this processor, once, and loaded.

The result lies in the user's cache, under a name that tells the source, the command and the
processor; processes that share the cache may have different ones.
"""

import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from srlab.provenance import file_hash

SWITCH = "SRLAB_NATIVE"
"""The environment variable that turns native loops off where it is 0."""

_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fPIC", "-shared")
_SECONDS = 120


@functools.cache
def library(name: str) -> ctypes.CDLL | None:
    """The compiled `name.cpp`; None where there is no compiler, or where it is turned off.

    What else goes wrong is said on stderr, in one line: nothing depends on it.
    """
    # On other systems OpenMP is not a matter of one flag, or a second copy of torch's own.
    compiler = shutil.which(os.environ.get("CXX") or "g++") if sys.platform == "linux" else None
    if compiler is None or os.environ.get(SWITCH) == "0":
        return None
    try:
        return ctypes.CDLL(str(_compile(_source(name), compiler)))
    except (OSError, subprocess.SubprocessError) as error:
        said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
        reason = next(iter(said.strip().splitlines()), type(error).__name__)
        print(
            f"warning: {name} stays with PyTorch's own, slower operations: {compiler}: {reason}; "
            f"{SWITCH}=0 stops trying",
            file=sys.stderr,
            flush=True,
        )
        return None


def sources(name: str) -> dict[str, str]:
    """SHA-256 of what `library` compiles, by the file's name; empty where it gives None.

    Results are the same with it and without it, but for rounding.
    """
    return {} if library(name) is None else {_source(name).name: file_hash(_source(name))}


def _source(name: str) -> Path:
    return Path(__file__).with_name(f"{name}.cpp")


def _compile(source: Path, compiler: str) -> Path:
    import pooch  # takes a while, and not every program comes here

    command = [compiler, *_FLAGS]
    digest = hashlib.sha256(source.read_bytes())
    digest.update("\n".join([*command, *_processor()]).encode())
    kept = Path(pooch.os_cache("srlab"), "native", f"{source.stem}-{digest.hexdigest()[:16]}.so")
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        # Other processes may be about it, too.
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            made = Path(folder, kept.name)
            subprocess.run(
                [*command, str(source), "-o", str(made)],
                check=True,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
            )
            made.replace(kept)
    return kept


def _processor() -> list[str]:
    """What the system says of it that decides which instructions it has."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))})
