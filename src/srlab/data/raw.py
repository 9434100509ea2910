"""The folder of downloaded datasets, brought in line with params.yaml."""

import shutil
from pathlib import Path

from srlab.errors import SrlabError


def select_datasets(folder: Path, names: list[str]) -> list[Path]:
    """The folders of the named datasets; everything else in the folder is removed.

    DVC hashes the whole folder as one dependency, and does not remove the outputs of a dataset
    that is no longer in params.yaml. Left there, it would make the same params look changed in
    another clone. Nothing is lost: DVC's cache has it. Where the folder leads out of the project,
    by a link or a path, it is not DVC's, and nothing is removed.

    Raises:
        SrlabError: a named dataset is not there.
    """
    for name in names:
        if not (folder / name).is_dir():
            raise SrlabError(f"{folder / name}: this dataset is not there; run: dvc repro")
    chosen = [folder / name for name in names]
    if not folder.resolve().is_relative_to(Path.cwd().resolve()):
        return chosen
    for path in folder.iterdir():
        if path.name in names:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return chosen
