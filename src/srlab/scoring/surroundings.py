"""Where `srlab evaluate` finds the catalogs, and keeps what it fetches: in a clone or anywhere."""

from dataclasses import dataclass
from pathlib import Path

import pooch

from srlab.data.raw import CATALOG
from srlab.workspace import by_hand_folder, project_root


@dataclass(frozen=True)
class Surroundings:
    """A project's folders, or outside of one those of this installation and of its user."""

    catalogs: Path
    """Holds `datasets.yaml` and `backbones.yaml`."""
    by_hand: Path
    """Laid out like SRLAB_MIRROR: what people unpack themselves."""
    kept: Path
    """What was fetched."""

    @property
    def downloads(self) -> Path:
        """Where fetched archives are kept."""
        return self.kept / "downloads"


def surroundings() -> Surroundings:
    """Those of the project in the working directory, if there is one.

    Elsewhere the catalogs are those that srlab was installed with, and what is fetched goes into
    the user's cache: nobody's folder of photographs gets any of it.
    """
    root = project_root()
    if (root / CATALOG).is_file():
        return Surroundings((root / CATALOG).parent, by_hand_folder(), root / ".srlab")
    cache = Path(pooch.os_cache("srlab"))
    return Surroundings(_installed_catalogs(), cache / "mirror", cache)


def _installed_catalogs() -> Path:
    """A wheel has the catalogs beside this module; an editable installation is its checkout."""
    installed = Path(__file__).parent / "catalogs"
    return installed if installed.is_dir() else Path(__file__).parents[3] / CATALOG.parent
