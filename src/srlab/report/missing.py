"""Why a score is not there, and what makes it."""

from srlab.metrics.protocols import PROTOCOLS
from srlab.params import ProtocolName
from srlab.report.scores import MethodScores

_STAGES = {
    "nearest": "baseline@nearest",
    "bicubic": "baseline@bicubic",
    "memnet": "evaluate@memnet",
    "srresnet": "evaluate@srresnet",
    "srgan": "evaluate_srgan",
}
_PERCEPTUAL = ("alex", "lpips")

NOTHING = "–"
"""Stands where a number cannot be."""


def why_missing(
    method: str,
    scores: MethodScores | None,
    protocol: ProtocolName,
    dataset: str,
    scale: int,
    metric: str,
) -> str:
    """What a table says in the place of a score that is None."""
    if scores is None:
        return f"not run: dvc repro {_STAGES.get(method, '')}".rstrip()
    if protocol not in scores.means:
        takes_none = ", or the network takes no luma" if PROTOCOLS[protocol].luma_first else ""
        return f"not scored: evaluate.protocols lacks {protocol}{takes_none}"
    if dataset not in scores.means[protocol]:
        return f"not scored: data.test lacks {dataset}"
    if f"x{scale}" not in scores.means[protocol][dataset]:
        return f"not scored: evaluate.scales or the network lacks x{scale}"
    if metric in _PERCEPTUAL:
        return "not computed: dvc repro --force --single-item backbone@metrics, then dvc repro"
    return "not computed"
