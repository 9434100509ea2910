"""Reading NumPy arrays out of a pickle from elsewhere, and nothing else.

A pickle can call any function that it names. This unpickler knows the three that NumPy's arrays
are rebuilt with; a file that names another is refused before anything of it has run.
"""

import pickle
from typing import Any, BinaryIO

import numpy as np
from numpy._core.multiarray import _reconstruct  # type: ignore[attr-defined]

_ADMITTED = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
}


class _ArraysOnly(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ADMITTED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no NumPy array")
        return _ADMITTED[module, name]


def read_arrays(file: BinaryIO) -> Any:
    """Nested dicts and lists of NumPy arrays, as they were pickled.

    Raises:
        pickle.UnpicklingError: the file is damaged, or holds anything but arrays.
    """
    try:
        return _ArraysOnly(file).load()
    except (EOFError, ValueError, TypeError, AttributeError, IndexError, KeyError) as error:
        raise pickle.UnpicklingError(f"damaged: {error}") from error
