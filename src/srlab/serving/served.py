"""What MLflow runs for a registered network: `mlflow models serve` executes this file.

The model in the registry is this file and the weights; nothing is pickled. It uses the srlab that
is installed where it is served.
"""

import functools
import threading
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

from srlab.errors import SrlabError
from srlab.serving.pictures import Answer, Picture, check_size, decode, to_png
from srlab.upscaling.model import Model, load
from srlab.upscaling.sizes import Sizing

_ONE_AT_A_TIME = threading.Lock()
"""A picture gets all cores, and the memory that is free."""


class ServedUpscaler(PythonModel):
    """Enlarges pictures; its artifacts are `weights` and, beside them for a blend, `blend_from`."""

    def load_context(self, context: PythonModelContext) -> None:
        """Read the weights, so that a server that has started can answer."""
        self._weights = Path(context.artifacts["weights"])
        _model(self._weights, 1.0 if "blend_from" in context.artifacts else None)

    def predict(
        self, context: Any, model_input: list[Picture], params: dict[str, Any] | None = None
    ) -> list[Answer]:
        """Enlarge each picture.

        Args:
            context: not looked at.
            model_input: the pictures.
            params: `scale`, any factor, and for a blend `strength`, from 0 to 1. The model's
                signature has their defaults.
        """
        assert params is not None
        return [self._answer(picture, **params) for picture in model_input]

    def _answer(self, picture: Picture, scale: float, strength: float | None = None) -> Answer:
        try:
            image = decode(picture)
            size = image.shape[1::-1] if isinstance(image, np.ndarray) else image.size
            check_size(Sizing(scale).of(size))
            with _ONE_AT_A_TIME:
                model = _model(self._weights, strength)
                if isinstance(image, np.ndarray):
                    return Answer(pixels=model.upscale(image, scale).tolist())
                return Answer(png=to_png(model.upscale(image, scale)))
        except SrlabError as error:
            return Answer(error=str(error))


@functools.lru_cache(maxsize=4)
def _model(weights: Path, strength: float | None) -> Model:
    return load(weights, strength=strength)


set_model(ServedUpscaler())
