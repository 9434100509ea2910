"""The images that methods are scored on: a folder, or a dataset of the catalog, fetched once."""

from pathlib import Path

from srlab.complaints import nearest
from srlab.data.catalog import load_dataset
from srlab.data.download import download
from srlab.data.images import list_images
from srlab.errors import SrlabError
from srlab.scoring.surroundings import surroundings
from srlab.strict_yaml import read_yaml
from srlab.workspace import mirror, project_root


def benchmark_folder(name: str) -> Path:
    """The folder of true images that a name or path stands for.

    A dataset that the pipeline has downloaded is taken from there; another one of the catalog is
    fetched, as the pipeline would, and kept.

    Raises:
        SrlabError: there is no such folder or dataset, it cannot be had, or holds no image.
    """
    if Path(name).is_dir():
        folder = Path(name).resolve()
        list_images(folder)
        return folder
    here = surroundings()
    folder = here.kept / "benchmarks" / name
    for present in (project_root() / "data" / "raw" / "test" / name, folder):
        if present.is_dir():
            return present
    catalog = here.catalogs / "datasets.yaml"
    if name not in (known := read_yaml(catalog)):
        raise SrlabError(f"{name}: no such folder or dataset; {nearest(name, list(known))}")
    download(
        name,
        load_dataset(catalog, name),
        folder,
        mirror=mirror(),
        by_hand=here.by_hand,
        downloads=here.downloads,
    )
    return folder
