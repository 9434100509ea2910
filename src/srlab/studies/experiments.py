"""The DVC experiments that are there, and what git knows of the work tree."""

import subprocess
from collections.abc import Collection

from srlab.errors import SrlabError


def finished(names: Collection[str]) -> dict[str, str]:
    """name -> commit, of the experiments that have succeeded; the newest where there are several.

    DVC names an experiment under the commit that it started from, so the same name may be there
    under several of them.
    """
    listed = _git("for-each-ref", "--sort=creatordate", "--format=%(refname) %(objectname)",
                  "refs/exps")  # fmt: skip
    commits = {}
    for line in listed.splitlines():
        reference, commit = line.split()
        # refs/exps/12/34567.../NAME; queues and running experiments have other forms.
        parts = reference.split("/")
        if len(parts) == 5 and len(parts[2]) == 2 and parts[4] in names:
            commits[parts[4]] = commit
    return commits


def require_tracked(files: Collection[str]) -> None:
    """Refuse files that git does not track: DVC makes experiments of tracked files alone.

    Raises:
        SrlabError: it names them.
    """
    tracked = set(_git("ls-files").splitlines())
    if missing := sorted(file for file in files if file not in tracked):
        raise SrlabError(
            f"experiments would run without {', '.join(missing)}, which git does not track; "
            f"run: git add {' '.join(missing)}"
        )


def has_changes() -> bool:
    """Whether tracked files differ from the last commit."""
    return bool(_git("status", "--porcelain", "--untracked-files=no").strip())


def _git(*arguments: str) -> str:
    try:
        return subprocess.run(
            ["git", *arguments], check=True, capture_output=True, text=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        reason = " ".join(str(getattr(error, "stderr", "") or error).split())
        raise SrlabError(f"git {arguments[0]}: {reason}; studies need a git checkout") from None
