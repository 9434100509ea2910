"""What a run has yet to tell its store: plain values, which checkpoints and JSON can keep."""

import base64
import io
import json
import os
import shutil
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from srlab.errors import SrlabError


@dataclass
class Outbox:
    """Waits for the store to take it, oldest first."""

    metrics: list[list[Any]] = field(default_factory=list)
    """[name, value, milliseconds, step]"""
    tags: dict[str, str] = field(default_factory=dict)
    images: list[dict[str, Any]] = field(default_factory=list)
    """name, step, stem (of the artifacts' names), png (in base64)"""
    files: list[str] = field(default_factory=list)
    """Paths."""
    ended: list[Any] | None = None
    """[status, milliseconds], when the run has ended."""

    def __bool__(self) -> bool:
        return bool(self.metrics or self.tags or self.images or self.files or self.ended)

    def add_metrics(self, metrics: Mapping[str, float], step: int) -> None:
        """Values of now.

        Raises:
            TypeError, ValueError: a value is not a number.
        """
        now = milliseconds()
        self.metrics += [[name, float(value), now, int(step)] for name, value in metrics.items()]

    def add_image(self, name: str, pixels: np.ndarray, step: int) -> None:
        """A picture, uint8 (H, W) or (H, W, 3), under a name that MLflow's pages understand."""
        from PIL import Image

        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        stamp = f"timestamp+{milliseconds()}+{uuid.uuid4()}"
        self.images.append(
            {
                "name": name,
                "step": step,
                "stem": f"{name.replace('/', '~')}+step+{step}+{stamp}",
                "png": base64.b64encode(buffer.getvalue()).decode(),
            }
        )

    def state_dict(self) -> dict[str, Any]:
        """Everything, as plain values."""
        return {
            "metrics": [list(point) for point in self.metrics],
            "tags": dict(self.tags),
            "images": [dict(image) for image in self.images],
            "files": list(self.files),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let what an earlier process had yet to tell go first."""
        self.metrics[:0] = [list(point) for point in state.get("metrics", [])]
        self.tags = {**state.get("tags", {}), **self.tags}
        self.images[:0] = state.get("images", [])
        self.files[:0] = state.get("files", [])

    def write(self, path: Path) -> None:
        """Add it to a file, a JSON value a line, with copies of its files beside it."""
        folder = files_beside(path)
        lines: list[dict[str, Any]] = [{"metric": point} for point in self.metrics]
        lines += [{"tag": tag} for tag in self.tags.items()]
        lines += [{"image": image} for image in self.images]
        path.parent.mkdir(parents=True, exist_ok=True)
        for file in filter(Path.is_file, map(Path, self.files)):
            # A stage's outputs may be others tomorrow.
            folder.mkdir(exist_ok=True)
            if file.parent != folder:
                shutil.copyfile(file, folder / file.name)
            lines.append({"file": file.name})
        if self.ended:
            lines.append({"ended": self.ended})
        before = path.read_text() if path.is_file() else ""
        partial = path.with_suffix(".partial")
        partial.write_text(before + "".join(json.dumps(line) + "\n" for line in lines))
        os.replace(partial, path)

    @classmethod
    def read(cls, path: Path) -> "Outbox":
        """What `write` wrote.

        Raises:
            SrlabError: the file is damaged.
        """
        outbox = cls()
        try:
            for text in path.read_text().splitlines():
                match json.loads(text):
                    case {"metric": [_, _, _, _] as point}:
                        outbox.metrics.append(point)
                    case {"tag": [name, value]}:
                        outbox.tags[name] = value
                    case {"image": dict(image)}:
                        outbox.images.append(image)
                    case {"file": str(name)}:
                        outbox.files.append(str(files_beside(path) / name))
                    case {"ended": [_, _] as ended}:
                        outbox.ended = ended
                    case other:
                        raise ValueError(f"it says {str(other)[:60]}")
        except (OSError, ValueError) as error:
            raise SrlabError(
                f"{path}: not what a run left to be sent ({error}); mend or remove it"
            ) from None
        return outbox


def files_beside(path: Path) -> Path:
    """The folder of the files that belong to a file of unsent values."""
    return path.with_suffix(".files")


def milliseconds() -> int:
    """Now, as MLflow counts it."""
    return int(time.time() * 1000)
