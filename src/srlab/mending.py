"""Repairs what DVC leaves half written when it is killed, or stopped by Ctrl-C, while it writes.

DVC writes dvc.lock and its own lock file in place. A half of either, or a lock whose holder is
dead and whose process number another program has got, makes every later `dvc repro` refuse.
Nothing is computed again because of a repair: DVC finds what was done in its cache of runs.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import yaml

from srlab.errors import SrlabError


def mend(project: Path) -> list[str]:
    """Repair dvc.lock and the `rwlock` files in `.dvc/tmp`, where that is needed.

    Nothing is touched while a DVC command holds the project.

    Args:
        project: the folder of dvc.yaml.

    Returns:
        A line for each repair.

    Raises:
        SrlabError: it is no DVC project, or DVC is at work in it.
    """
    from dvc.lock import LockError, make_lock

    own = project / ".dvc" / "tmp"
    if not own.parent.is_dir():
        raise SrlabError(f"{project}: no DVC project; run this in the folder of dvc.yaml")
    own.mkdir(exist_ok=True)
    try:
        with make_lock(str(own / "lock")):
            lines = list(_mend_dvc_lock(project / "dvc.lock"))
            for folder in (own, own / "exps"):
                if (folder / "rwlock").exists():
                    with make_lock(str(folder / "rwlock.lock")):
                        lines += _mend_rwlock(folder / "rwlock")
            return lines
    except LockError:
        raise SrlabError(f"{project}: DVC is at work; nothing was mended") from None


def _mend_rwlock(path: Path) -> Iterator[str]:
    try:
        holders = set(_process_numbers(json.loads(path.read_text())))
    except (ValueError, TypeError, AttributeError, LookupError):
        path.unlink()
        yield f"{path} was half written; it is gone, DVC makes another"
        return
    if holders and not any(map(_is_dvc, holders)):
        path.unlink()
        yield f"{path} was held by a DVC that has ended; it is gone, DVC makes another"


def _process_numbers(lock: Any) -> Iterator[int]:
    """Who reads and writes which path, as DVC notes it."""
    for holder in lock.get("write", {}).values():
        yield int(holder["pid"])
    for holders in lock.get("read", {}).values():
        yield from (int(holder["pid"]) for holder in holders)


def _is_dvc(pid: int) -> bool:
    try:
        return any("dvc" in word for word in psutil.Process(pid).cmdline())
    except psutil.NoSuchProcess:
        return False
    except psutil.AccessDenied:
        return True


def _mend_dvc_lock(path: Path) -> Iterator[str]:
    if not path.exists() or _is_whole(path.read_text(encoding="utf-8", errors="replace")):
        return
    committed = subprocess.run(
        ["git", "show", f"HEAD:./{path.name}"], cwd=path.parent, capture_output=True
    )
    if committed.returncode == 0:
        path.write_bytes(committed.stdout)
        yield f"{path} was half written; it is the last commit's, dvc repro completes it"
    else:
        path.unlink()
        yield f"{path} was half written; it is gone, dvc repro makes another"


def _is_whole(text: str) -> bool:
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    if not text.endswith("\n"):
        return False
    try:
        lock = COMPILED_LOCKFILE_SCHEMA(yaml.load(text, Loader=yaml.CSafeLoader))
    except (yaml.YAMLError, Invalid):
        return False
    return all(map(_is_complete, lock.get("stages", {}).values()))


def _is_complete(stage: dict[str, Any]) -> bool:
    """Whether a stage is there to its end, as far as can be told: outputs come last.

    Where an output is missing behind others, DVC runs the stage again.
    """
    files = [*stage.get("deps", []), *stage.get("outs", [])]
    return "outs" in stage and all(file.get("hash", "md5") in file for file in files)
