"""Where two trainings part: in their params, in their curves step by step, in their weights."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from srlab.errors import SrlabError
from srlab.runs.curves import Curves

MISSING = "-"
"""Stands for a value that one side does not have."""


def differing(ours: Mapping[str, str], theirs: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Name -> both values, where they differ or one is missing ("-").

    >>> differing({"a": "1", "b": "2"}, {"a": "1", "b": "3"})
    {'b': ('2', '3')}
    """
    return {
        name: (ours.get(name, MISSING), theirs.get(name, MISSING))
        for name in dict.fromkeys((*ours, *theirs))
        if ours.get(name) != theirs.get(name)
    }


@dataclass(frozen=True)
class Parting:
    """How one metric differs."""

    metric: str
    step: int
    """The first at which it differs, or is on one side only."""
    ours: float | None
    theirs: float | None
    steps: int
    """How many differ, of all."""
    of: int


def partings(ours: Curves, theirs: Curves, *, rounded: bool) -> list[Parting]:
    """Metrics that differ, those that part first before the others.

    Args:
        ours, theirs: the curves.
        rounded: whether to compare six digits, as files keep them.
    """
    found = []
    for metric in dict.fromkeys((*ours, *theirs)):
        a, b = ours.get(metric, {}), theirs.get(metric, {})
        steps = sorted(a.keys() | b.keys())
        apart = [step for step in steps if not _same(a.get(step), b.get(step), rounded)]
        if apart:
            first = apart[0]
            found.append(Parting(metric, first, a.get(first), b.get(first), len(apart), len(steps)))
    return sorted(found, key=lambda parting: parting.step)


def _same(a: float | None, b: float | None, rounded: bool) -> bool:
    if a is None or b is None:
        return a is b
    if rounded:
        a, b = float(f"{a:.6g}"), float(f"{b:.6g}")
    return a == b or (math.isnan(a) and math.isnan(b))


@dataclass(frozen=True)
class TensorDifference:
    """How one tensor differs."""

    name: str
    reason: str
    """In words; empty where values differ."""
    largest: float = 0.0
    """The largest difference of two values; NaN where one is no number."""
    share: float = 0.0
    """Of the values that differ."""


def tensor_differences(ours: Path, theirs: Path) -> tuple[list[TensorDifference], int]:
    """Tensors of two safetensors files that differ, and how many names there are in all.

    Raises:
        SrlabError: a file is not a safetensors file.
    """
    a, b = _tensors(ours), _tensors(theirs)
    found = []
    names = list(dict.fromkeys((*a, *b)))
    for name in names:
        if name not in a or name not in b:
            found.append(TensorDifference(name, f"only in {'A' if name in a else 'B'}"))
        elif a[name].shape != b[name].shape:
            found.append(
                TensorDifference(name, f"shapes {list(a[name].shape)} | {list(b[name].shape)}")
            )
        elif a[name].dtype != b[name].dtype:
            found.append(TensorDifference(name, f"types {a[name].dtype} | {b[name].dtype}"))
        elif not torch.equal(a[name], b[name]):
            gap = (a[name].double() - b[name].double()).abs()
            share = (a[name] != b[name]).double().mean().item()
            found.append(TensorDifference(name, "", gap.max().item(), share))
    return found, len(names)


def _tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise SrlabError(f"{path}: not a safetensors file ({error}); fetch it again") from None
