"""The images that methods are scored on: a folder, or a dataset of the catalog, fetched once."""

from pathlib import Path

from srlab.data.catalog import load_dataset
from srlab.data.download import download
from srlab.data.images import list_images
from srlab.data.raw import CATALOG
from srlab.errors import SrlabError
from srlab.workspace import by_hand_folder, downloads_folder, mirror, project_root


def benchmark_folder(name: str) -> Path:
    """The folder of true images that a name or path stands for.

    A dataset that the pipeline has downloaded is taken from there; another one is fetched, as the
    pipeline would, into `.srlab/benchmarks`.

    Raises:
        SrlabError: there is no such folder or dataset, it cannot be had, or holds no image.
    """
    if Path(name).is_dir():
        folder = Path(name).resolve()
        list_images(folder)
        return folder
    root = project_root()
    if not (root / CATALOG).is_file():
        raise SrlabError(
            f"{name}: no such folder; name a folder of true images, or run this in a clone of "
            f"srlab, whose {CATALOG} knows set5, set14 and others"
        )
    for parent in (root / "data" / "raw" / "test", root / ".srlab" / "benchmarks"):
        if (parent / name).is_dir():
            return parent / name
    folder = root / ".srlab" / "benchmarks" / name
    dataset = load_dataset(root / CATALOG, name)
    download(
        name,
        dataset,
        folder,
        mirror=mirror(),
        by_hand=by_hand_folder(),
        downloads=downloads_folder(),
    )
    return folder
