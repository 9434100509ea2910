"""The folder of downloaded datasets, brought in line with params.yaml."""

import shutil
from pathlib import Path

from srlab.errors import SrlabError
from srlab.strict_yaml import read_yaml

CATALOG = Path("data") / "datasets.yaml"


def select_datasets(folder: Path, names: list[str], catalog: Path = CATALOG) -> list[Path]:
    """The folders of the named datasets; other datasets of the catalog are removed.

    DVC hashes the whole folder as one dependency, and does not remove the outputs of a dataset
    that is no longer in params.yaml. Left there, it would make the same params look changed in
    another clone. Nothing is lost: DVC's cache has it. Where the folder leads out of the project,
    by a link or a path, it is not DVC's, and nothing is removed.

    Args:
        folder: with a folder for each dataset.
        names: of those that are wanted.
        catalog: data/datasets.yaml; what it does not name did not come from a download.

    Raises:
        SrlabError: a named dataset is not there, or something is that no download has left; then
            nothing is removed.
    """
    for name in names:
        if not (folder / name).is_dir():
            raise SrlabError(f"{folder / name}: this dataset is not there; run: dvc repro")
    chosen = [folder / name for name in names]
    if not folder.resolve().is_relative_to(Path.cwd().resolve()):
        return chosen
    known = set(read_yaml(catalog)) if catalog.exists() else set()
    downloaded = known | {f".{name}.partial" for name in known}
    others = sorted(path for path in folder.iterdir() if path.name not in names)
    for path in others:
        if path.name not in downloaded:
            raise SrlabError(
                f"{path}: {catalog} has no such dataset; move it out of {folder}, "
                "which holds downloads alone (for pictures of your own: srlab datasets add)"
            )
    for path in others:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
    return chosen
