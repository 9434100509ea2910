"""What a result was made by: commit, and hashes of files."""

import hashlib
import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def git_commit() -> str | None:
    """The commit of the code that runs, with `+changes` where the work tree differs from it.

    None outside a git checkout.
    """
    try:
        head = _git("rev-parse", "HEAD")
        return head + ("+changes" if _git("status", "--porcelain", "-uno", "--", "src") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def values_hash(values: Mapping[str, Any]) -> str:
    """SHA-256 of plain values, the same in whatever order they stand."""
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _git(*arguments: str) -> str:
    output = subprocess.run(["git", *arguments], check=True, capture_output=True, text=True)
    return output.stdout.strip()
