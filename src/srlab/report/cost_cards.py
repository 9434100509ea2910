"""What each stage cost, as a table."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from srlab.durations import duration
from srlab.errors import SrlabError

HEAD = (
    "stage",
    "wall time",
    "peak memory",
    "parameters",
    "multiply-adds",
    "training",
    "enlarging",
    "device",
)


def read_costs(folder: Path, stages: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Stage -> its cost card, see `srlab.costs`; left out where it has none.

    Args:
        folder: holds `STAGE.json`, perhaps also of stages that params.yaml no longer asks for.
        stages: whose cards are wanted, in the order of the table.

    Raises:
        SrlabError: a file is not a cost card.
    """
    cards = {}
    for stage in stages:
        path = folder / f"{stage}.json"
        if not path.is_file():
            continue
        try:
            card = json.loads(path.read_text())
            float(card["seconds"]), float(card["peak_memory_mib"]), str(card["device"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SrlabError(
                f"{path}: not a cost card ({error}); remove it, then: dvc repro"
            ) from error
        cards[stage] = card
    return cards


def cost_rows(cards: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """A row for each stage, its cells as `HEAD` names them; empty where a stage has no such cost.

    Multiply-adds are those for an image of 1280x720 pixels.
    """
    return [
        [
            stage,
            duration(card["seconds"]),
            f"{card['peak_memory_mib'] / 1024:.2f} GiB",
            f"{card['parameters']:,}" if "parameters" in card else "",
            f"{card['multiply_adds'] / 1e9:.1f} G" if "multiply_adds" in card else "",
            _rate(card, "patches_per_second", "patches/s"),
            _rate(card, "images_per_second", "images/s"),
            card["device"],
        ]
        for stage, card in cards.items()
    ]


def _rate(card: Mapping[str, Any], name: str, unit: str) -> str:
    return f"{card[name]:.3g} {unit}" if card.get(name) else ""
