"""srlab: MemNet and SRGAN for single-image super-resolution, as a pipeline.

>>> import numpy as np
>>> from srlab import load, upscale
>>> upscale(np.zeros((5, 7), np.uint8), scale=2, model="bicubic").shape
(10, 14)
>>> load("bicubic").upscale(np.zeros((5, 7), np.uint8), scale=3).shape
(15, 21)
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from srlab.upscaling.in_memory import upscale
    from srlab.upscaling.model import load

__version__ = "0.1.0"
__all__ = ["load", "upscale"]

_HOMES = {"load": "srlab.upscaling.model", "upscale": "srlab.upscaling.in_memory"}


def __getattr__(name: str) -> Any:
    # Importing srlab alone is fast: torch comes with the first use.
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
