"""Getting a dataset: from the first source that gives every image, checked, whole or not at all."""

import errno
import hashlib
import io
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from srlab.data.catalog import ArchiveSource, Dataset, PackageSource
from srlab.data.images import pixel_hash, read_pixels, write_png
from srlab.data.sources import (
    Files,
    SourceError,
    from_archive,
    from_folder,
    from_generator,
    from_mirror_url,
    from_packages,
)
from srlab.errors import SrlabError


def download(
    name: str,
    dataset: Dataset,
    output: Path,
    *,
    mirror: str | None,
    by_hand: Path,
    downloads: Path,
) -> None:
    """Put a dataset's images into a folder, as PNG files named by the catalog.

    Sources are asked in order: the mirror, the folder filled by hand, the catalog's own. A folder
    that is already there is replaced only once the new one is complete.

    Args:
        name: the dataset's name in the catalog.
        dataset: its entry.
        output: the folder to make.
        mirror: a folder or URL that holds `datasets/{name}/*.png`; the value of SRLAB_MIRROR.
        by_hand: a folder laid out in the same way, for what people unpack themselves.
        downloads: where fetched archives are kept.

    Raises:
        SrlabError: no source gave every image, or the disk is full.
    """
    partial = output.with_name(f".{output.name}.partial")
    problems = []
    for label, files in _sources(name, dataset, mirror, by_hand, downloads):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        try:
            for image, pixels in _identify(dataset, files):
                write_png(partial / f"{image}.png", pixels)
            _swap(partial, output)
        except SourceError as error:
            problems.append(f"{label}: {error}")
            print(f"{name}: {problems[-1]}", file=sys.stderr)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise SrlabError(
                f"dataset {name}: the disk is full ({output.parent}, from {label}); free some "
                "space and run dvc repro again, what is complete is kept"
            ) from error
        else:
            checked = "checked" if dataset.images is not None else "counted, no hashes are known"
            print(f"{name}: {dataset.count} images from {label}, {checked}", file=sys.stderr)
            return
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    raise SrlabError(
        f"dataset {name}: no source gave its {dataset.count} images ({'; '.join(problems)}). Set "
        f"SRLAB_MIRROR to a folder or URL with datasets/{name}/*.png, or unpack the images into "
        f"{by_hand / 'datasets' / name}, and run dvc repro again"
    )


def _sources(
    name: str, dataset: Dataset, mirror: str | None, by_hand: Path, downloads: Path
) -> Iterator[tuple[str, Files]]:
    if mirror and mirror.startswith(("http://", "https://")):
        yield f"mirror {mirror}", from_mirror_url(mirror, name, dataset, downloads / "mirror")
    elif mirror:
        folder = Path(mirror) / "datasets" / name
        yield f"mirror {folder}", from_folder(folder)
    folder = by_hand / "datasets" / name
    if folder.is_dir():
        yield f"folder {folder}", from_folder(folder)
    for source in dataset.sources:
        if isinstance(source, ArchiveSource):
            yield source.url, from_archive(source, downloads)
        elif isinstance(source, PackageSource):
            yield "the installed packages", from_packages(source)
        else:
            yield f"the generator {source.model}", from_generator(source, dataset.count)


def _identify(dataset: Dataset, files: Files) -> Iterator[tuple[str, np.ndarray]]:
    """Yield (image name, pixels) of the dataset's images among the files, each once.

    Raises:
        SourceError: images are missing, wrong, do not decode, or are not as many as they should be.
    """
    if dataset.images is None:
        yield from _count(dataset.count, files)
        return
    # A hash may stand for several names: T91 has one image twice.
    wanted: dict[str, list[str]] = {}
    for image, hashes in dataset.images.items():
        for hash in hashes:
            wanted.setdefault(hash, []).append(image)
    missing = dict.fromkeys(dataset.images)
    others = []
    for file, content in files:
        try:
            pixels = read_pixels(io.BytesIO(content), file)
        except SrlabError as error:
            others.append(str(error).rpartition(";")[0])
            continue
        known_by = ("file:" + hashlib.sha256(content).hexdigest(), pixel_hash(pixels))
        images = [image for hash in known_by for image in wanted.get(hash, [])]
        for image in images:
            if image in missing:
                del missing[image]
                yield image, pixels
        if not images:
            others.append(f"{file} is not an image of this dataset")
    if missing:
        named = ", ".join(list(missing)[:3]) + (", ..." if len(missing) > 3 else "")
        because = f"; {'; '.join(others[:3])}" if others else ""
        raise SourceError(f"{len(missing)} of {dataset.count} images missing ({named}){because}")


def _count(count: int, files: Files) -> Iterator[tuple[str, np.ndarray]]:
    found = 0
    for file, content in files:
        try:
            yield Path(file).stem, read_pixels(io.BytesIO(content), file)
        except SrlabError as error:
            raise SourceError(str(error).rpartition(";")[0]) from error
        found += 1
    if found != count:
        raise SourceError(f"{found} images instead of {count}")


def _swap(partial: Path, output: Path) -> None:
    """Put the complete folder in the place of the old one."""
    old = output.with_name(f".{output.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if output.exists():
        output.rename(old)
    partial.rename(output)
    shutil.rmtree(old, ignore_errors=True)
