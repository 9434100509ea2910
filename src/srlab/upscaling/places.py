"""Where results go, and what they are called."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from srlab.errors import SrlabError
from srlab.upscaling.formats import SUFFIXES, Format, format_of
from srlab.upscaling.sources import STANDARD, Source


@dataclass(frozen=True)
class Place:
    """What an output stands for."""

    path: Path | None
    """A file or folder; None: beside the inputs, or to standard output."""
    is_folder: bool
    """Whether several results have room there."""
    format: Format | None
    """Of all results; None: that of each input."""
    several: bool = False
    """Whether several inputs share the folder, so that folders among them keep their names."""

    def target(self, source: Source, form: Format, label: str) -> Path | None:
        """The file that a picture becomes; None for standard output.

        Args:
            source: the picture.
            form: what it becomes.
            label: the scale, for names beside the inputs.
        """
        if not self.is_folder or source.path is None:
            return self.path
        relative = _renamed(source.relative, form)
        folder = None if source.folder is None else source.folder.resolve()
        if self.path is not None:
            inner = folder.name if folder is not None and self.several else ""
            return self.path / inner / relative
        if folder is not None:
            return folder.with_name(f"{folder.name}_{label}") / relative
        name = _renamed(Path(source.path.name), form)
        return source.path.with_name(f"{name.stem}_{label}{name.suffix}")


def find_place(inputs: Sequence[str], output: str | None, form: Format | None) -> Place:
    """What an output stands for.

    Args:
        inputs: see `srlab.upscaling.plan.Request`; one at least.
        output: likewise.
        form: what was asked for.

    Raises:
        SrlabError: it is one file for several pictures, or its name is that of another format.
    """
    from_pipe = list(inputs) == [STANDARD]
    if output is None:
        return Place(None, not from_pipe, form)
    if output == STANDARD:
        return Place(None, False, form)
    path, known = Path(output), format_of(Path(output))
    is_folder = path.is_dir() or output.endswith(("/", os.sep))
    several = len(inputs) > 1 or Path(inputs[0]).is_dir()
    if known is not None and several and not is_folder:
        raise SrlabError(f"{output}: one file for several pictures; name a folder")
    if is_folder or several or not path.suffix:
        if from_pipe:
            raise SrlabError(f"{output}: a folder, but standard input has no name; name a file")
        return Place(path, True, form, len(inputs) > 1)
    if known is None:
        raise SrlabError(
            f"{output}: no format is called {path.suffix}; end it in one of {' '.join(SUFFIXES)}, "
            "or in / if it is a folder"
        )
    if form is not None and form is not known:
        raise SrlabError(f"{output}: {known.title} by its name, not {form.title}; change one")
    return Place(path, False, known)


def _renamed(path: Path, form: Format) -> Path:
    """A name with a suffix of the format; its own is kept where it is one of them."""
    known = format_of(path)
    if known is form:
        return path
    name = path.stem if known is not None else path.name
    return path.with_name(name + form.suffixes[0])
