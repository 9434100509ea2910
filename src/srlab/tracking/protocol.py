"""What a training can say to its run, whether or not anybody keeps it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np


class Run(Protocol):
    """Takes what a run has to say: one value for each metric and step, one image for each name
    and step. What comes again is not kept again.
    """

    id: str | None
    """The MLflow run's id; None where nothing is tracked."""

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None: ...

    def log_image(self, name: str, pixels: np.ndarray, *, step: int = 0) -> None:
        """A picture, uint8 (H, W) or (H, W, 3)."""

    def log_file(self, path: Path) -> None: ...

    def set_tags(self, tags: Mapping[str, str]) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        """What a training's checkpoint keeps of it."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""


class SilentRun:
    """Takes everything and keeps nothing, but what a checkpoint brought: the next may want it."""

    id: str | None = None

    _state: dict[str, Any] | None = None

    def log_metrics(self, metrics: Mapping[str, float], *, step: int = 0) -> None: ...

    def log_image(self, name: str, pixels: np.ndarray, *, step: int = 0) -> None: ...

    def log_file(self, path: Path) -> None: ...

    def set_tags(self, tags: Mapping[str, str]) -> None: ...

    def state_dict(self) -> dict[str, Any]:
        return self._state or {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._state = state
