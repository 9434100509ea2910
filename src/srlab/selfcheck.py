"""The self-check: scores that need no training, rebuilt and held against what they should be.

A wrong kernel, luma, border or image moves every number of the result tables alike and shows in
none of them. It does move the interpolations' numbers, which are known. Hardly seen is whether the
low-resolution image is rounded: that costs 0.009 dB on Set5 at x2, and elsewhere less than 0.005.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from srlab.checked_yaml import read_checked
from srlab.data.images import list_images, read_pixels
from srlab.data.kernels import Kernel
from srlab.data.tensors import to_tensor
from srlab.errors import SrlabError
from srlab.evaluation import FidelityMetric, mean, score_fidelity
from srlab.inference.upscalers import Interpolation
from srlab.metrics.protocols import PROTOCOLS, Protocol, ProtocolName
from srlab.strict_yaml import StrictModel

Baseline = Literal["nearest", "bicubic"]

_DECIMALS = 5
"""Of what is written: finer digits may differ between processors, and rerun what depends on it."""


class Row(StrictModel):
    """One method, dataset, protocol and metric, at some scales."""

    dataset: str
    """The dataset's name in data/datasets.yaml."""
    protocol: ProtocolName
    """What the scores are made by."""
    method: Baseline
    """Enlarges without training."""
    metric: FidelityMetric
    """What is compared."""
    expected: dict[int, float] = Field(min_length=1)
    """Scale -> the mean over the dataset's images."""
    tolerance: float = Field(gt=0)
    """The largest difference that passes, in the metric's unit."""


class SelfCheck(StrictModel):
    """data/selfcheck.yaml."""

    rows: list[Row]
    """What is rebuilt."""

    @model_validator(mode="after")
    def _once(self) -> "SelfCheck":
        seen = set()
        for row in self.rows:
            for scale in row.expected:
                key = (row.dataset, row.protocol, row.method, row.metric, scale)
                if key in seen:
                    raise ValueError(f"rows: {_name(row, scale)} stands twice; remove one of them")
                seen.add(key)
        return self


@dataclass(frozen=True)
class Check:
    """One expectation, and what was found."""

    dataset: str
    protocol: ProtocolName
    scale: int
    method: Baseline
    metric: FidelityMetric
    expected: float
    tolerance: float
    found: float | None
    """None where an image has no such score: it is too small, or equal to the truth."""

    @property
    def difference(self) -> float | None:
        """Found less expected."""
        return None if self.found is None else round(self.found - self.expected, _DECIMALS)

    @property
    def passes(self) -> bool:
        """Whether the difference, as it is written, is within the tolerance."""
        return self.difference is not None and abs(self.difference) <= self.tolerance


def load_selfcheck(path: Path) -> SelfCheck:
    """Read the expectations.

    Raises:
        SrlabError: the file is missing, no YAML, or malformed; one line for each mistake.
    """
    return read_checked(path, SelfCheck)


def baseline(method: Baseline, protocol: Protocol) -> Interpolation:
    """The interpolation that a protocol calls nearest or bicubic."""
    kernel: Kernel = protocol.kernel if method == "bicubic" else method
    return Interpolation(kernel)


def check(selfcheck: SelfCheck, folders: Sequence[Path]) -> list[Check]:
    """Rebuild the rows of some datasets; those of others are left out.

    Args:
        selfcheck: the expectations.
        folders: one folder of images per dataset; its name is the dataset's.

    Returns:
        A check for each row and scale, in the order of the rows.

    Raises:
        SrlabError: an image does not decode.
    """
    rows = [row for row in selfcheck.rows if row.dataset in {folder.name for folder in folders}]
    found: dict[tuple, float | None] = {}
    for folder in folders:
        found |= _means(folder, [row for row in rows if row.dataset == folder.name])
    return [
        Check(
            **row.model_dump(exclude={"expected"}),
            scale=scale,
            expected=expected,
            found=found[row.dataset, row.protocol, row.method, scale, row.metric],
        )
        for row in rows
        for scale, expected in row.expected.items()
    ]


def _means(folder: Path, rows: list[Row]) -> dict[tuple, float | None]:
    """(dataset, protocol, method, scale, metric) -> the mean over a folder's images."""
    # Each result is made once, whatever number of metrics looks at it.
    wanted: dict[tuple[ProtocolName, Baseline, int], set[FidelityMetric]] = defaultdict(set)
    for row in rows:
        for scale in row.expected:
            wanted[row.protocol, row.method, scale].add(row.metric)
    scores: dict[tuple, list[float | None]] = defaultdict(list)
    for path in list_images(folder) if wanted else []:
        image = to_tensor(read_pixels(path))
        for (name, method, scale), metrics in wanted.items():
            protocol = PROTOCOLS[name]
            lr, hr = protocol.pair(image, scale)
            sr = baseline(method, protocol)(lr, scale)
            for metric, score in score_fidelity(sr, hr, protocol, scale, metrics).items():
                scores[folder.name, name, method, scale, metric].append(score)
    return {key: mean(values) for key, values in scores.items()}


def summary(checks: Sequence[Check], datasets: Sequence[str]) -> dict[str, Any]:
    """What the stage writes: every row, the largest difference of each metric, and what has none.

    Args:
        checks: see `check`.
        datasets: the names of those that were looked at.

    Raises:
        SrlabError: a check fails; one line for each.
    """
    if failing := [check for check in checks if not check.passes]:
        raise SrlabError("\n".join(_complaint(check) for check in failing))
    largest: dict[str, float] = {}
    for check in checks:
        if check.difference is not None:
            largest[check.metric] = max(largest.get(check.metric, 0.0), abs(check.difference))
    return {
        "rows": [_as_written(check) for check in checks],
        "largest_difference": largest,
        "datasets_without_rows": [
            name for name in datasets if name not in {check.dataset for check in checks}
        ],
    }


def _as_written(check: Check) -> dict[str, Any]:
    found = None if check.found is None else round(check.found, _DECIMALS)
    return {**asdict(check), "found": found, "difference": check.difference}


def _complaint(check: Check) -> str:
    found = "none" if check.found is None else f"{check.found:.{_DECIMALS}f}"
    return (
        f"selfcheck: {_name(check, check.scale)}: expected {check.expected}, found {found} "
        f"(tolerance {check.tolerance}); trust no score before this is right: get the images again "
        f"(dvc repro --force download_test@{check.dataset}), then look at what changed last in "
        "resampling, luma, protocols or metrics"
    )


def _name(row: Row | Check, scale: int) -> str:
    return f"{row.dataset} {row.protocol} x{scale} {row.method} {row.metric}"
