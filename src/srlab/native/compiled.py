"""Loops in C++, where PyTorch's own operations do the same, but take longer.

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
from dataclasses import dataclass
from pathlib import Path

from srlab.machine import processor
from srlab.provenance import file_hash

SWITCH = "SRLAB_NATIVE"
"""The environment variable that turns native loops off where it is 0."""

_FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-fPIC", "-shared")
_SECONDS = 120


@dataclass(frozen=True)
class Loops:
    """A source file of this folder, and the processors that it is for.

    Instructions are named as Linux names them.
    """

    name: str
    needs: str | None = None
    """An instruction that is used."""
    pointless_with: str | None = None
    """One by which PyTorch's own operations are faster."""

    @property
    def source(self) -> Path:
        """The file."""
        return Path(__file__).with_name(f"{self.name}.cpp")

    def suit(self) -> bool:
        """Whether they are for this processor."""
        instructions = _instructions()
        return (
            self.needs is None or self.needs in instructions
        ) and self.pointless_with not in instructions


NORM_RELU = Loops("norm_relu")
"""BN and ReLU: `srlab.models.norm_relu`."""

WEIGHT_GRADIENT = Loops("weight_gradient", needs="avx512_bf16", pointless_with="amx_bf16")
"""The gradient of a convolution's weights: `srlab.models.convolution`."""


@functools.cache
def library(loops: Loops) -> ctypes.CDLL | None:
    """What is compiled; None without a compiler or a use for it, or where it is turned off.

    What else goes wrong is said on stderr, in one line: nothing depends on it.
    """
    # On other systems OpenMP is not a matter of one flag, or a second copy of torch's own.
    compiler = shutil.which(os.environ.get("CXX") or "g++") if sys.platform == "linux" else None
    if compiler is None or os.environ.get(SWITCH) == "0" or not loops.suit():
        return None
    try:
        return ctypes.CDLL(str(_compile(loops.source, compiler)))
    except subprocess.SubprocessError as error:
        said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
        _warn(loops, f"{compiler}: {next(iter(said.strip().splitlines()), type(error).__name__)}")
    except OSError as error:
        _warn(loops, str(error))
    return None


def sources(*loops: Loops) -> dict[str, str]:
    """SHA-256 of what `library` compiles, by the file's name, without those that it gives None for.

    Results are the same with it and without it, but for rounding.
    """
    return {each.source.name: file_hash(each.source) for each in loops if library(each) is not None}


def _warn(loops: Loops, reason: str) -> None:
    print(
        f"warning: {loops.name} stays with PyTorch's own, slower operations: {reason}; "
        f"{SWITCH}=0 stops trying",
        file=sys.stderr,
        flush=True,
    )


def _compile(source: Path, compiler: str) -> Path:
    import pooch  # takes a while, and not every program comes here

    command = [compiler, *_FLAGS]
    digest = hashlib.sha256(source.read_bytes())
    known = (*command, processor().get("model name", ""), *sorted(_instructions()))
    digest.update("\n".join(known).encode())
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


def _instructions() -> set[str]:
    """Those that the processor has beyond the first of its kind."""
    said = processor()
    return set((said.get("flags") or said.get("Features") or "").split())
