"""What benchmarks give, and the files that keep it."""

import json
import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from srlab.errors import SrlabError

NO_GPU = "no GPU"
"""Why something is not measured."""

EMULATED = "the processor emulates bf16"
"""Why there is no measuring it: it takes minutes for what float32 takes a second for."""

_DIGITS = 4
"""Significant ones: more would be noise."""


@dataclass(frozen=True)
class Row:
    """One measurement. What cannot be measured has a row without numbers, whose unit says why."""

    name: str
    """What is measured; the same in every run."""
    unit: str
    """Of `plain` and `ours`."""
    plain: float | None = None
    """What code gives as anyone would first write it; None where there is none to compare with."""
    ours: float | None = None
    """What srlab gives."""
    ratio: float | None = None
    """How many times better ours is than plain: above 1 is better, whatever the unit."""
    limit_share: float | None = None
    """Ours as a share of the machine's limit; None where no limit applies."""
    machine: str = ""
    """What it was measured on."""
    command: str = ""
    """What measures it again."""


@dataclass(frozen=True)
class Growth:
    """How the cost of something grows with its work."""

    name: str
    """What grows, such as `image size`."""
    of: str
    """What is done."""
    sizes: list[str]
    """What was measured, in words."""
    work: list[float]
    """How much there was to do."""
    work_unit: str
    """Of the work."""
    seconds: list[float]
    """How long it took."""
    exponent: float
    """e of seconds ~ work^e: 1 is linear, less is better."""
    machine: str = ""
    command: str = ""


Record = TypeVar("Record", Row, Growth)


def unmeasured(name: str, reason: str) -> Row:
    """The row of what cannot be measured here.

    >>> unmeasured("training on a GPU", "no GPU").unit
    'not measured: no GPU'
    """
    return Row(name, f"not measured: {reason}")


def signed(records: Iterable[Record], machine: str, command: str) -> list[Record]:
    """Records that say what they were measured on, and by which command."""
    return [replace(record, machine=machine, command=command) for record in records]


def merged(before: Sequence[Record], measured: Sequence[Record]) -> list[Record]:
    """All records: those measured now in the place of those of the same names, new ones behind."""
    found = {record.name: record for record in before}
    found.update({record.name: record for record in measured})
    return list(found.values())


def kept_in_order(
    before: Sequence[Record],
    measured: Sequence[Record],
    benchmarks: Sequence[str],
    *,
    replacing: str | None,
) -> list[Record]:
    """All records, see `merged`, in the order of the benchmarks that gave them.

    Args:
        before, measured: as `signed` gives them.
        benchmarks: the names in their commands.
        replacing: a benchmark that was run whole: what else it has given before is left out.
    """
    known = [name for name in benchmarks if name != replacing]
    kept = [record for record in before if _benchmark(record) in known]
    return sorted(merged(kept, measured), key=lambda record: benchmarks.index(_benchmark(record)))


def _benchmark(record: Row | Growth) -> str:
    return record.command.removeprefix("python -m bench ").split()[0]


def read_rows(path: Path) -> list[Row]:
    """The rows of a file; none where there is no file.

    Raises:
        SrlabError: the file is damaged.
    """
    return [Row(**tree) for tree in _read(path, Row)]


def read_growths(path: Path) -> list[Growth]:
    """The tables of a file; none where there is no file.

    Raises:
        SrlabError: the file is damaged.
    """
    return [Growth(**tree) for tree in _read(path, Growth)]


def write(records: Sequence[Row] | Sequence[Growth], path: Path) -> None:
    """Write rows or tables as JSON, numbers with four digits, under a temporary name first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    trees = [
        {name: _rounded(value) for name, value in asdict(record).items()} for record in records
    ]
    try:
        partial.write_text(json.dumps(trees, indent=2) + "\n")
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _read(path: Path, kind: type[Row] | type[Growth]) -> list[dict[str, Any]]:
    names = {field.name for field in fields(kind)}
    try:
        trees = json.loads(path.read_text())
        if not all(set(tree) == names for tree in trees):
            raise ValueError(f"every entry must have {', '.join(sorted(names))} and nothing else")
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise SrlabError(
            f"{path}: no results of a benchmark ({error}); remove it and run: python -m bench"
        ) from None
    return list(trees)


def _rounded(value: Any) -> Any:
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if not isinstance(value, float) or value == 0:
        return value
    return round(value, _DIGITS - 1 - math.floor(math.log10(abs(value))))
