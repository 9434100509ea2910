"""What is to be enlarged: files, folders, globs, standard input."""

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from srlab.errors import SrlabError
from srlab.upscaling.formats import SUFFIXES

STANDARD = "-"
"""Stands for standard input, and for standard output."""


@dataclass(frozen=True)
class Source:
    """A picture file, or what comes through standard input."""

    name: str
    """What messages call it."""
    path: Path | None
    """None for standard input."""
    folder: Path | None
    """The folder that was named, if it was found in one: its structure is kept."""
    relative: Path
    """Its place below that folder; of other files the name."""
    data: bytes = b""
    """What came through standard input."""

    def open(self) -> BinaryIO:
        """Open it for reading.

        Raises:
            SrlabError: it cannot be opened.
        """
        if self.path is None:
            return BytesIO(self.data)
        try:
            return self.path.open("rb")
        except OSError as error:
            raise SrlabError(f"cannot be opened ({error.strerror})") from None


def find_sources(inputs: Sequence[str], output: Path | None) -> list[Source]:
    """Every picture that some arguments name.

    In folders and their folders these are the files with the suffix of a picture. What is hidden,
    links that lead out of the folder, and the output's folder are left alone.

    Args:
        inputs: files, folders, glob patterns, or `-`.
        output: where results go, None if that is not one place.

    Raises:
        SrlabError: an argument names nothing, or `-` stands beside others.
    """
    if STANDARD in inputs:
        if len(inputs) > 1:
            raise SrlabError("- is standard input; give it alone")
        data = sys.stdin.buffer.read()
        return [Source("standard input", None, None, Path("picture"), data)]
    found: dict[tuple[str, Path], Source] = {}
    for text in inputs:
        sources = list(_named(text, output))
        if not sources:
            suffixes = " ".join(SUFFIXES)
            raise SrlabError(f"{text}: no picture in it (file names end in {suffixes})")
        for source in sources:
            found.setdefault((os.path.realpath(source.path or ""), source.relative), source)
    return list(found.values())


def _named(text: str, output: Path | None) -> Iterator[Source]:
    path = Path(text)
    if path.is_dir():
        yield from _inside(path, output)
    elif path.exists() or path.is_symlink():
        yield Source(text, path, None, Path(path.name))
    elif glob.has_magic(text):
        base = _fixed_part(path)
        for match in sorted(glob.glob(text, recursive=True)):
            if Path(match).is_file():
                yield Source(match, Path(match), None, Path(match).relative_to(base))
    else:
        raise SrlabError(f"{text}: no such file or folder; check its name")


def _inside(folder: Path, output: Path | None) -> Iterator[Source]:
    root = folder.resolve()
    left_alone = None if output is None else output.resolve()
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and ((here / name).resolve() != left_alone or left_alone == root)
        )
        for name in sorted(files):
            path = here / name
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                continue
            if path.is_symlink() and not path.resolve().is_relative_to(root):
                continue
            yield Source(str(path), path, folder, path.relative_to(folder))


def _fixed_part(pattern: Path) -> Path:
    """The folders of a glob pattern in front of its first wildcard."""
    fixed = []
    for part in pattern.parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return Path(*fixed)
