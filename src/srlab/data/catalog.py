"""The catalog of datasets: what exists, where it comes from, and how to know it is the right one.

data/datasets.yaml holds an entry per dataset. An image is known by the SHA-256 of its decoded
pixels (`srlab.data.images.pixel_hash`), so that any mirror and any lossless container will do.
"""

import difflib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, model_validator

from srlab.errors import SrlabError
from srlab.strict_yaml import StrictModel, read_yaml

Hash = Annotated[str, Field(pattern=r"^(file:)?[0-9a-f]{64}$")]


class ArchiveSource(StrictModel):
    """A zip archive on the web."""

    kind: Literal["archive"]
    url: str
    """Where it is."""
    folder: str
    """The last part of the folder in it that holds the images."""


class PackageSource(StrictModel):
    """Images inside installed Python packages."""

    kind: Literal["packages"]
    files: list[str]
    """PACKAGE/PATH of each image, below the folder that packages are installed in."""


class GeneratedSource(StrictModel):
    """Images that the program draws, one for each seed from 0 on."""

    kind: Literal["generated"]
    model: Literal["dead_leaves", "printed_pages"]
    """What draws them: `srlab.data.dead_leaves`, `srlab.data.printed_pages`."""


class Dataset(StrictModel):
    """One dataset."""

    title: str
    """Name and origin."""
    terms: str
    """Licence, or what is known of the terms of use."""
    count: int = Field(ge=1)
    """Number of images."""
    sources: list[
        Annotated[ArchiveSource | PackageSource | GeneratedSource, Field(discriminator="kind")]
    ]
    """Where to look after the mirrors, in this order."""
    images: dict[str, list[Hash]] | None
    """Image name -> hashes, any of which identifies it. `file:` marks the hash of a file as
    published, for a lossy container whose decoded pixels may depend on the decoder. null: no
    hashes are known, so the images are only counted and decoded."""

    @model_validator(mode="after")
    def _counted(self) -> "Dataset":
        if self.images is not None and len(self.images) != self.count:
            raise ValueError(f"count is {self.count}, but {len(self.images)} images are listed")
        return self


def load_dataset(catalog: Path, name: str) -> Dataset:
    """The entry of one dataset.

    Raises:
        SrlabError: the catalog cannot be read, has no such entry, or the entry is malformed.
    """
    entries = read_yaml(catalog)
    if name not in entries:
        near = difflib.get_close_matches(name, entries, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise SrlabError(
            f"data.train or data.test names {name!r}, which is not in {catalog}; "
            f"{hint}known: {', '.join(entries)}"
        )
    try:
        return Dataset.model_validate(entries[name])
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in (name, *first["loc"]))
        raise SrlabError(f"{catalog}: {where}: {first['msg']}; correct it there") from None
