"""Clones of the work tree, in which the pipeline runs as its users run it: through DVC.

They find no network and no mirror: ALEX and LPIPS are left out, and what is computed depends on
the clone alone.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
START = "start"
"""The tag of the commit that nothing has run in."""

ONE_STUDY = "metrics/studies/teaching.json"

_FOREIGN = ("DVC_ROOT", "DVC_STAGE", "DVC_EXP_NAME", "MLFLOW_TRACKING_URI", "PYTHONPATH")
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name not in _FOREIGN},
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    "OMP_NUM_THREADS": "1",
    "DVC_NO_ANALYTICS": "true",
    "PIP_NO_INDEX": "1",
    "https_proxy": "http://127.0.0.1:9",
    "SRLAB_MIRROR": "/nowhere",
}


def run(folder: Path, *command: str, code: int = 0, timeout: float = 600) -> str:
    """What a command prints, which has to end with a code."""
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=timeout
    )
    assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def make_repository(folder: Path, changes: Mapping[str, Any]) -> Path:
    """A repository of the work tree's files with the smoke profile, committed and tagged `start`.

    Of the studies' results only one is there: the report takes longer over all of them than over
    the rest.

    Args:
        folder: to be made; beside it, `storage` is its DVC remote.
        changes: of params.yaml, by dotted key.
    """
    listed = run(ROOT, "git", "ls-files", "--cached", "--others", "--exclude-standard")
    for name in listed.splitlines():
        left_out = name.startswith("metrics/studies/") and name != ONE_STUDY
        if (ROOT / name).is_file() and not left_out:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)
    yaml = YAML()
    params = yaml.load(folder / "profiles" / "smoke.yaml")
    for key, value in changes.items():
        *sections, last = key.split(".")
        section = params
        for name in sections:
            section = section[name]
        section[last] = value
    yaml.dump(params, folder / "params.yaml")
    run(folder, "git", "init", "-q")
    _introduce(folder)
    run(folder, "dvc", "remote", "add", "-q", "-d", "storage", str(folder.parent / "storage"))
    commit(folder, "start")
    run(folder, "git", "tag", START)
    return folder


def commit(folder: Path, message: str) -> None:
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "-qm", message)


def clone(repository: Path, folder: Path, revision: str = "HEAD") -> Path:
    """A fresh clone; DVC's cache and outputs, and MLflow's runs, are not in it."""
    run(repository, "git", "clone", "-q", str(repository), str(folder))
    _introduce(folder)
    run(folder, "git", "checkout", "-q", "-B", "work", revision)
    return folder


def ran(output: str) -> list[str]:
    """The stages that DVC says it ran."""
    return [line.split("'")[1] for line in output.splitlines() if "Running stage" in line]


def _introduce(folder: Path) -> None:
    run(folder, "git", "config", "user.name", "test")
    run(folder, "git", "config", "user.email", "test@example.org")
