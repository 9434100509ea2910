"""The project's own folder, also seen from a copy of it.

`dvc exp run --temp` and `--queue` run stages in a throw-away copy, where DVC_ROOT still names the
real project. What must outlive the copy, and every relative path that comes from the environment,
is anchored there.
"""

import os
from pathlib import Path


def project_root() -> Path:
    """The folder of the project: DVC_ROOT inside a stage, else the working directory."""
    return Path(os.environ.get("DVC_ROOT", ".")).resolve()


def anchored(path: str) -> Path:
    """A path relative to the project's folder, or an absolute one as it is."""
    return project_root() / path


def downloads_folder() -> Path:
    """Where fetched archives are kept, outside every output of a stage."""
    return project_root() / ".srlab" / "downloads"


def resume_folder(name: str, fingerprint: str) -> Path:
    """Where a training keeps its checkpoints, outside every output of a stage."""
    return project_root() / ".srlab" / "resume" / f"{name}-{fingerprint}"


def by_hand_folder() -> Path:
    """Laid out like SRLAB_MIRROR: what people unpack themselves."""
    return project_root() / "data" / "mirror"


def mirror() -> str | None:
    """SRLAB_MIRROR: a URL as it is, a folder anchored to the project; None where it is not set."""
    value = os.environ.get("SRLAB_MIRROR")
    if not value or value.startswith(("http://", "https://")):
        return value or None
    return str(anchored(value))
