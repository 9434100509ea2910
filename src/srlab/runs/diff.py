"""`srlab runs diff`: where two runs part, on one screen."""

import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from srlab.errors import SrlabError
from srlab.runs.differences import MISSING, Parting, differing, partings, tensor_differences
from srlab.runs.side import DECIDING, Side, open_side

_LINES = 6
_WIDTH = 36
T = TypeVar("T")


@dataclass(frozen=True)
class Comparison:
    """What two sides have in common and what not."""

    lines: list[str]
    equal: bool
    """Whether params, data, curves and weights are the same, as far as both sides have them.
    Commit and device may differ."""


def compare(a: str, b: str) -> Comparison:
    """Compare two runs, or what two trainings left.

    Args:
        a, b: MLflow run ids, folders of outputs, or safetensors files.

    Raises:
        SrlabError: one cannot be read, or they have nothing in common that could be compared.
    """
    with tempfile.TemporaryDirectory() as scratch:
        ours, theirs = open_side(a, Path(scratch)), open_side(b, Path(scratch))
        parts = [_params(ours, theirs), _tags(ours, theirs)]
        compared = [*_curves(ours, theirs), *_weights(ours, theirs)]
        parts += _alone("curves", ours, theirs, ours.curves, theirs.curves)
        parts += _alone("weights", ours, theirs, ours.weights, theirs.weights)
    if not compared:
        raise SrlabError(f"{a} and {b} have neither curves nor weights of the same name in common")
    everything = [*parts, *compared]
    return Comparison(
        [f"A  {ours.title}", f"B  {theirs.title}", *(x for part in everything for x in part.lines)],
        all(part.equal for part in everything),
    )


def _params(ours: Side, theirs: Side) -> Comparison:
    if not ours.params or not theirs.params:
        return Comparison(["params   not known of both"], True)
    apart = differing(ours.params, theirs.params)
    if ours.partly or theirs.partly:
        apart = {name: pair for name, pair in apart.items() if MISSING not in pair}
    total = len(ours.params.keys() | theirs.params.keys())
    head = f"params   {len(apart)} of {total} differ" if apart else "params   equal"
    return Comparison([head, *_cut(_pairs(apart))], not apart)


def _tags(ours: Side, theirs: Side) -> Comparison:
    apart = {
        name: pair
        for name, pair in differing(ours.tags, theirs.tags).items()
        if MISSING not in pair
    }
    head = "origin   differs" if apart else "origin   equal"
    return Comparison([head, *_cut(_pairs(apart))], not any(name in DECIDING for name in apart))


def _curves(ours: Side, theirs: Side) -> Iterator[Comparison]:
    rounded = ours.rounded or theirs.rounded
    for name, a, b in _matched(ours.curves, theirs.curves):
        apart = partings(a, b, rounded=rounded)
        points = sum(map(len, a.values()))
        title = f"curves   {name}: " if name else "curves   "
        if not apart:
            digits = " to six digits, as files keep them" if rounded else ""
            yield Comparison([f"{title}equal{digits} ({points} values)"], True)
            continue
        head = f"{title}part at step {apart[0].step}"
        yield Comparison([head, *_cut(_parting(parting) for parting in apart)], False)


def _parting(parting: Parting) -> str:
    share = f"{parting.steps} of {parting.of} steps differ"
    if parting.ours is None or parting.theirs is None:
        side = "A" if parting.theirs is None else "B"
        return f"{parting.metric}: from step {parting.step} only in {side}; {share}"
    gap = abs(parting.ours - parting.theirs)
    return (
        f"{parting.metric}: step {parting.step}: {parting.ours:.9g} | {parting.theirs:.9g}, "
        f"{gap:.3g} apart; {share}"
    )


def _weights(ours: Side, theirs: Side) -> Iterator[Comparison]:
    for name, a, b in _matched(ours.weights, theirs.weights):
        apart, total = tensor_differences(a, b)
        if not apart:
            yield Comparison([f"weights  {name}: equal ({total} tensors)"], True)
            continue
        largest = sorted(apart, key=lambda tensor: (not tensor.reason, -tensor.largest))
        said = (
            tensor.name
            + f": {tensor.reason or f'up to {tensor.largest:.3g} apart, {tensor.share:.0%} differ'}"
            for tensor in largest
        )
        head = f"weights  {name}: {len(apart)} of {total} tensors differ"
        yield Comparison([head, *_cut(said)], False)


def _matched(ours: dict[str, T], theirs: dict[str, T]) -> Iterator[tuple[str, T, T]]:
    """Pairs of the same name; where each side has one thing, these two whatever their names."""
    if len(ours) == len(theirs) == 1:
        (name, a), b = next(iter(ours.items())), next(iter(theirs.values()))
        yield name, a, b
        return
    for name in ours:
        if name in theirs:
            yield name, ours[name], theirs[name]


def _alone(
    kind: str, a: Side, b: Side, ours: Collection[str], theirs: Collection[str]
) -> Iterator[Comparison]:
    """What only one side has: a difference of two folders, where both have the kind."""
    if len(ours) == len(theirs) == 1:
        return
    for side, mine, others in (("A", ours, theirs), ("B", theirs, ours)):
        if alone := [name for name in mine if name not in others]:
            line = f"{kind:9}only in {side}: {', '.join(alone[:_LINES])}"
            yield Comparison([line], a.single or b.single or not others)


def _pairs(apart: dict[str, tuple[str, str]]) -> Iterator[str]:
    for name, (ours, theirs) in apart.items():
        yield f"{name}: {ours[:_WIDTH]} | {theirs[:_WIDTH]}"


def _cut(lines: Iterable[str]) -> Sequence[str]:
    shown = [f"           {line}" for line in lines]
    more = len(shown) - _LINES
    return shown if more <= 1 else [*shown[:_LINES], f"           and {more} more"]
