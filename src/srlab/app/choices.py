"""What people can choose on the page: models, scales, formats."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from srlab.errors import SrlabError
from srlab.upscaling.formats import FORMATS
from srlab.weights import load_card
from srlab.zoo.registry import BASELINES, load_registry, resolve, resolve_blend

SCALES = (2, 3, 4, 8)

AS_THE_PHOTO = "as the photo"

_OFFERED = ("png", "jpeg", "webp", "tiff", "avif")


@dataclass(frozen=True)
class Choice:
    """A model that can be chosen."""

    title: str
    """What it is called on the page."""
    model: str
    """As `srlab.load` takes it."""
    about: str
    """When to choose it, in a sentence."""
    has_strength: bool
    """Whether it lies between two networks, see `srlab.inference.strength`."""


def model_choices(paths: Sequence[Path]) -> list[Choice]:
    """Some weights, then every released model, the default first, then the interpolations.

    Raises:
        SrlabError: a file is no weights, or a released one is damaged.
    """
    registry = load_registry()
    released = sorted(registry.models, key=lambda entry: entry.name != registry.default)
    own = [
        Choice(_title(path, paths), str(path), _about(path), _has_strength(path)) for path in paths
    ]
    return [
        *own,
        *(Choice(e.name, e.name, _sentence(e.good_for), _has_strength(e.name)) for e in released),
        *(Choice(b.name, b.name, _sentence(b.good_for), False) for b in BASELINES.values()),
    ]


def format_choices() -> list[tuple[str, str]]:
    """(what it is called on the page, as `srlab.upscaling.formats.format_named` takes it)."""
    offered = [FORMATS[name] for name in _OFFERED if name in FORMATS]
    return [("As the photo", AS_THE_PHOTO), *((form.title, form.name) for form in offered)]


def _title(path: Path, paths: Sequence[Path]) -> str:
    names = [other.stem for other in paths]
    return path.stem if names.count(path.stem) == 1 else str(path)


def _about(path: Path) -> str:
    resolve(path)
    card = load_card(path)
    scales = " ".join(f"×{scale}" for scale in sorted(card.scales))
    return f"Your own weights: {card.architecture}, trained for {scales}."


def _has_strength(model: str | Path) -> bool:
    try:
        blend = resolve_blend(model)
    except SrlabError:
        return False
    assert blend.start is not None
    ends = [load_card(path) for path in (blend.start, blend.path)]
    return ends[0].architecture == ends[1].architecture and (
        ends[0].hyperparameters == ends[1].hyperparameters
    )


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:].rstrip(".") + "."
