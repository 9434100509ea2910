"""A network as a folder that MLflow can serve: the weights, `served.py`, signature and example."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from srlab import __version__
from srlab.serving.pictures import to_png
from srlab.serving.scored import ScoredNetwork
from srlab.weights import load_card

_SERVED = Path(__file__).with_name("served.py")


def save_for_serving(scored: ScoredNetwork, folder: Path, model: Any) -> None:
    """Write the folder.

    Args:
        scored: the network.
        folder: must not be there.
        model: the `mlflow.models.Model` that is written.
    """
    import mlflow

    card = load_card(scored.weights)
    params = {"scale": float(card.scales[-1])}
    artifacts = {"weights": str(scored.weights.resolve())}
    if scored.blend_from is not None:
        params["strength"] = scored.strength
        artifacts["blend_from"] = str(scored.blend_from.resolve())
    mlflow.pyfunc.save_model(
        path=str(folder),
        mlflow_model=model,
        python_model=_SERVED,
        artifacts=artifacts,
        # MLflow takes the signature from `predict`, and its params with their defaults from here.
        input_example=([{"png": to_png(_gradient())}], params),
        pip_requirements=[f"srlab=={__version__}"],
        metadata={"architecture": card.architecture, "scales": card.scales, **scored.identity},
    )


def _gradient() -> Image.Image:
    """A small RGB picture."""
    y, x = np.mgrid[:8, :12]
    return Image.fromarray(np.stack([20 * x, 30 * y, 255 - 20 * x], axis=-1).astype(np.uint8))
