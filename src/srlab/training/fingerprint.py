"""What a training is known by: params, data, further inputs and code."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from srlab.provenance import file_hash, values_hash

_DIGITS = 16


def fingerprint(
    name: str,
    sections: Mapping[str, Any],
    data_sha256: str,
    inputs: Mapping[str, str],
    processes: int,
) -> str:
    """Sixteen hexadecimal digits that change with anything that the result depends on.

    Args:
        name: of the training.
        sections: what of params.yaml it depends on.
        data_sha256: of the packed patches' index.
        inputs: SHA-256 of further files, by name.
        processes: that share the training. BN's statistics, dropout and the order of sums depend
            on their number, which torchrun and `devices: auto` decide.

    The code is that of the modules of srlab that are loaded when this is called, which a training
    has loaded before it starts.
    """
    values = {
        "name": name,
        "sections": sections,
        "data": data_sha256,
        "inputs": dict(inputs),
        "processes": processes,
        "code": _loaded_code(),
    }
    return values_hash(values)[:_DIGITS]


def _loaded_code() -> dict[str, str]:
    """Module of srlab -> SHA-256 of its file."""
    return {
        name: file_hash(Path(file))
        for name, module in sys.modules.items()
        if name.partition(".")[0] == "srlab" and (file := getattr(module, "__file__", None))
    }
