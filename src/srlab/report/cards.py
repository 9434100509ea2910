"""Model cards: what trained weights are, what they were made from, how good they are, their limits.

After Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from srlab.report.cost_cards import HEAD
from srlab.weights import Card

_ABOUT = {
    "memnet": (
        "MemNet refines the luma of a bicubically enlarged image; colours are enlarged bicubically."
        " One network enlarges by every factor it was trained for. It was trained for PSNR: it adds"
        " no texture that it is not sure of."
    ),
    "srresnet": (
        "SRResNet enlarges RGB images by one factor. It was trained for a pixelwise loss: it adds"
        " no texture that it is not sure of."
    ),
    "srgan": (
        "SRGAN is SRResNet trained on with a perceptual and an adversarial loss: images look"
        " sharper, and PSNR is lower, since texture is invented where it was lost."
    ),
}
_LIMITS = (
    "Text whose strokes are thinner than a low-resolution pixel is not restored; it may come out as"
    " other letters.",
    "It knows the shrinking it was trained on ({degradations}). Unknown blur, noise and another way"
    " of shrinking cost several dB.",
)
_NO_JPEG = "JPEG's blocks are taken for detail and sharpened."
_INVENTS = (
    "It invents texture. Do not use it where the truth matters: faces, text, measurements,"
    " evidence."
)


@dataclass(frozen=True)
class Model:
    """What a card is made from."""

    method: str
    """memnet, srresnet or srgan."""
    card: Card
    """The header of the weights."""
    weights_sha256: str
    """Of the weights file."""
    datasets: Sequence[str]
    """Names of the training sets."""
    patches: int | None
    """How many patches were cut from them; None if unknown."""
    degradations: Sequence[str]
    """What the low-resolution patches were made with."""
    augment_scales: Sequence[float]
    """Factors that copies of the images were shrunk by, for more patches."""
    start: str | None
    """The released model whose weights the training went on from; None where it had random ones or
    another stage's."""
    teacher: str | None
    """The released model whose self-ensemble it learnt from as well; None where there was none."""
    run_id: str | None
    """The MLflow run that trained it; None where it was not tracked."""
    cost: Sequence[str] | None
    """The training's row of `srlab.report.cost_cards`; None if unknown."""


def card_markdown(model: Model, scores: Sequence[str]) -> str:
    """The card.

    Args:
        model: what is described.
        scores: tables as Markdown.
    """
    patches = "" if model.patches is None else f", {model.patches:,} patches"
    copies = ", ".join(f"{factor:g}" for factor in model.augment_scales)
    shrunk = f" of the images and of copies at {copies} of their size" if copies else ""
    limits = [limit.format(degradations=", ".join(model.degradations)) for limit in _LIMITS]
    if "bicubic_jpeg" not in model.degradations:
        limits.append(_NO_JPEG)
    if model.method == "srgan":
        limits.insert(0, _INVENTS)
    parts = [
        f"# {model.method}",
        _ABOUT[model.method],
        "## Network",
        _bullets({"architecture": model.card.architecture, **model.card.hyperparameters}),
        "## Data",
        f"{', '.join(model.datasets)}{patches}{shrunk}; factors {_joined(model.card.scales)}; "
        f"shrunk with {', '.join(model.degradations)}.",
        "## Scores",
        *(scores or ["Not scored yet: `dvc repro`."]),
        "## Limits",
        "\n".join(f"- {limit}" for limit in limits),
        "## Cost of training",
        "Unknown: the stage left no cost card."
        if model.cost is None
        else _bullets({k: v for k, v in zip(HEAD, model.cost, strict=True) if v}),
        "## Made by",
        _bullets(
            {
                "weights (SHA-256)": model.weights_sha256,
                **({} if model.start is None else {"trained on from": model.start}),
                **({} if model.teacher is None else {"taught by": f"{model.teacher}+"}),
                "params (SHA-256)": model.card.params_sha256,
                "patches (SHA-256)": model.card.data_sha256,
                "commit": model.card.git_commit or "unknown",
                "MLflow run": model.run_id or "untracked",
            }
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _bullets(values: Mapping[str, Any]) -> str:
    return "\n".join(f"- {name.replace('_', ' ')}: {value}" for name, value in values.items())


def _joined(scales: Sequence[int]) -> str:
    return ", ".join(f"x{scale}" for scale in scales)
