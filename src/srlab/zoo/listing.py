"""What `srlab models` prints: released models with scores, size and licence, and their cards."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

from srlab.complaints import nearest
from srlab.errors import SrlabError
from srlab.zoo.registry import BASELINES, RELEASED, Baseline, Entry, Registry, load_registry

_PROTOCOL = "y_rgb8"
_METRICS = {"psnr": ".2f", "ssim": ".4f", "lpips": ".3f"}


def print_models(name: str | None, *, as_json: bool, folder: Path | None = None) -> None:
    """Print the released models, or the card of one.

    Args:
        name: a model; None for all.
        as_json: for other programs.
        folder: the registry's; the package's by default.

    Raises:
        SrlabError: there is no such model, or the registry is damaged.
    """
    registry = load_registry(folder)
    if name is not None:
        _print_one(name, registry, as_json, folder or RELEASED)
    elif as_json:
        tree = {
            **registry.model_dump(),
            "baselines": [asdict(baseline) for baseline in BASELINES.values()],
        }
        print(json.dumps(tree, indent=2))
    else:
        console = Console(highlight=False)
        console.print(_table(registry))
        console.print()
        console.print(_purposes(registry))
        console.print()
        console.print(
            "srlab models NAME prints a model's card"
            if registry.models
            else "No model was released with this installation: give --model a weights file."
        )


def _print_one(name: str, registry: Registry, as_json: bool, folder: Path) -> None:
    found: Entry | Baseline | None = registry.entry(name) or BASELINES.get(name)
    if found is None:
        known = [*(entry.name for entry in registry.models), *BASELINES]
        raise SrlabError(f"{name}: no such model; {nearest(name, known)}")
    if as_json:
        tree = asdict(found) if isinstance(found, Baseline) else found.model_dump()
        print(json.dumps(tree, indent=2))
        return
    if isinstance(found, Baseline):
        card = f"# {name}\n\nInterpolation, without weights: {found.good_for}.\n"
    else:
        try:
            card = (folder / found.card).read_text(encoding="utf-8")
        except OSError as error:
            raise SrlabError(
                f"{folder / found.card}: cannot be read ({error.strerror}); install srlab again"
            ) from None
    console = Console(highlight=False)
    # Whoever sends it on wants the Markdown itself.
    if console.is_terminal:
        console.print(Markdown(card))
    else:
        print(card, end="")


def _table(registry: Registry) -> Table:
    dataset = _dataset(registry)
    scored = [] if dataset is None else [f"{metric.upper()}" for metric in _METRICS]
    caption = None
    if dataset is not None:
        caption = f"Scores on {dataset} at the largest scale, protocol {_PROTOCOL}; * the default"
    table = Table(caption=caption, caption_justify="left", box=None, pad_edge=False)
    for title in ("model", "scale", *scored, "size", "licence"):
        right = title in scored or title == "size"
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    for entry in _listed(registry):
        mark = "*" if entry.name == registry.default else ""
        scores = [] if dataset is None else _scores(entry, dataset)
        scales = " ".join(f"x{scale}" for scale in entry.scales)
        size = f"{entry.bytes / 1e6:.1f} MB"
        table.add_row(entry.name + mark, scales, *scores, size, entry.licence)
    for baseline in BASELINES.values():
        table.add_row(baseline.name, "any", *["–"] * len(scored), "–", "–")
    return table


def _purposes(registry: Registry) -> Table:
    """For itself, since a terminal of 80 columns has no room for it beside the numbers."""
    table = Table(box=None, pad_edge=False)
    table.add_column("model", no_wrap=True)
    table.add_column("good for")
    for entry in _listed(registry):
        table.add_row(entry.name, entry.good_for)
    for baseline in BASELINES.values():
        table.add_row(baseline.name, baseline.good_for)
    return table


def _listed(registry: Registry) -> list[Entry]:
    """The default, then the others in the registry's order."""
    return sorted(registry.models, key=lambda entry: entry.name != registry.default)


def _dataset(registry: Registry) -> str | None:
    """A dataset that every model was scored on."""
    scored = [list(entry.scores.get(_PROTOCOL, {})) for entry in registry.models]
    common = [name for name in (scored[0] if scored else []) if all(name in s for s in scored)]
    return common[0] if common else None


def _scores(entry: Entry, dataset: str) -> list[str]:
    cells = entry.scores[_PROTOCOL][dataset]
    cell = cells.get(f"x{max(entry.scales)}", {})
    values = ((cell.get(metric), form) for metric, form in _METRICS.items())
    return ["–" if value is None else format(value, form) for value, form in values]
