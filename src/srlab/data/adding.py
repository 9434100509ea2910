"""Adding a folder of pictures to the catalog, as a dataset of one's own."""

import os
import shutil
from pathlib import Path

import numpy as np
import yaml
from PIL import Image, ImageOps
from pydantic import TypeAdapter, ValidationError

from srlab.data.catalog import Dataset
from srlab.data.images import SUFFIXES, list_images, pixel_hash, read_pixels, write_png
from srlab.errors import SrlabError
from srlab.params import DatasetName
from srlab.strict_yaml import read_yaml

_NAMES = TypeAdapter(DatasetName)
_WIDE = 10_000
"""Characters of a line, so that an image and its hash stay on one."""


def add_dataset(folder: Path, name: str, terms: str, *, catalog: Path, by_hand: Path) -> int:
    """Copy the pictures of a folder to where the stages look for them, and list them.

    They are copied as PNG, upright, so that what a training sees stays the same whatever becomes
    of the folder. Everything is added or nothing.

    Args:
        folder: whose picture files are added, not those of folders in it.
        name: of the dataset: lower-case letters, digits and _.
        terms: under which the pictures may be used.
        catalog: data/datasets.yaml; an entry is put behind its others.
        by_hand: see `srlab.data.download.download`; the copies go to `datasets/{name}` in it.

    Returns:
        How many pictures there are.

    Raises:
        SrlabError: the name is taken or none, or a picture cannot be read.
    """
    try:
        _NAMES.validate_python(name)
    except ValidationError:
        raise SrlabError(
            f"{name}: not a dataset's name; use lower-case letters, digits and _"
        ) from None
    if not folder.is_dir():
        raise SrlabError(f"{folder}: no such folder; name the one that holds the pictures")
    if not any(path.suffix.lower() in SUFFIXES for path in folder.iterdir()):
        raise SrlabError(f"{folder}: no picture in it; there must be some, not in folders in it")
    if name in read_yaml(catalog):
        raise SrlabError(f"{catalog}: has a dataset {name} already; choose another name")
    target = by_hand / "datasets" / name
    if target.exists():
        raise SrlabError(f"{target}: is there already; remove it or choose another name")
    partial = target.with_name(f".{name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        images = {}
        for path in list_images(folder):
            if path.stem in images:
                raise SrlabError(f"{path}: another picture is called {path.stem}, too; rename one")
            pixels = _upright(path)
            write_png(partial / f"{path.stem}.png", pixels)
            images[path.stem] = [pixel_hash(pixels)]
        entry = Dataset(
            title=f"{name}: added from a folder",
            terms=terms,
            count=len(images),
            sources=[],
            images=images,
        )
        partial.rename(target)
        _append(catalog, yaml.safe_dump({name: entry.model_dump()}, sort_keys=False, width=_WIDE))
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return len(images)


def _upright(path: Path) -> np.ndarray:
    """uint8 (H, W) or (H, W, 3), turned as the camera says."""
    pixels = read_pixels(path)
    with Image.open(path) as image:
        orientation = image.getexif().get(0x0112, 1)
    if orientation == 1:
        return pixels
    turned = Image.fromarray(pixels)
    turned.getexif()[0x0112] = orientation
    return np.array(ImageOps.exif_transpose(turned))


def _append(path: Path, text: str) -> None:
    """Put lines behind those of a file, under a temporary name first."""
    partial = path.with_name(path.name + ".partial")
    try:
        partial.write_text(path.read_text().rstrip("\n") + "\n\n" + text)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
