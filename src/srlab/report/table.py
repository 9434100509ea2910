"""The result table, from the metrics files."""

import json
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError

_TITLES = {
    "y": "`y`: MATLAB bicubic on 8-bit luma, scored on luma (as SRCNN, VDSR, MemNet)",
    "y_rgb8": "`y_rgb8`: MATLAB bicubic on 8-bit RGB, scored on luma (as SRResNet, EDSR)",
    "paper": "`paper`: bicubic without antialiasing, scored on RGB (as Lal & Javid)",
}


def read_metrics(paths: list[Path]) -> dict[str, dict[str, Any]]:
    """Metrics files by method, the file's name.

    Raises:
        SrlabError: a file is missing or not what `srlab.evaluation.write_scores` writes.
    """
    methods = {}
    for path in paths:
        try:
            methods[path.stem] = json.loads(path.read_text())
            methods[path.stem]["made_by"]["git_commit"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SrlabError(
                f"{path}: not a metrics file ({error}); make it again: dvc repro"
            ) from error
    return methods


def markdown_table(methods: dict[str, dict[str, Any]]) -> str:
    """A table per protocol: a row per method, PSNR / SSIM per dataset and scale; best in bold."""
    sections = []
    for protocol, title in _TITLES.items():
        scored = {name: tree[protocol] for name, tree in methods.items() if protocol in tree}
        if not scored:
            continue
        columns = list(
            dict.fromkeys(
                (dataset, scale)
                for tree in scored.values()
                for dataset, scales in tree.items()
                for scale in scales
            )
        )
        heads = [f"{dataset} {scale}" for dataset, scale in columns]
        lines = [
            f"Protocol {title}; PSNR in dB / SSIM:",
            "",
            f"| method | {' | '.join(heads)} | commit |",
            f"|---|{'---|' * len(heads)}---|",
        ]
        best = {column: max(_psnr(tree, column) for tree in scored.values()) for column in columns}
        for name, tree in scored.items():
            cells = [
                _cell(tree, column, bold=_psnr(tree, column) == best[column]) for column in columns
            ]
            commit = (methods[name]["made_by"]["git_commit"] or "unknown")[:8]
            lines.append(f"| {name} | {' | '.join(cells)} | {commit} |")
        sections.append("\n".join(lines))
    return "\n\n".join(sections) + "\n"


def _metric(tree: dict[str, Any], column: tuple[str, str], metric: str) -> float | None:
    dataset, scale = column
    return tree.get(dataset, {}).get(scale, {}).get(metric)


def _psnr(tree: dict[str, Any], column: tuple[str, str]) -> float:
    value = _metric(tree, column, "psnr")
    return float("-inf") if value is None else value


def _cell(tree: dict[str, Any], column: tuple[str, str], *, bold: bool) -> str:
    psnr, ssim = _metric(tree, column, "psnr"), _metric(tree, column, "ssim")
    if psnr is None:
        return "not computed"
    text = f"{psnr:.2f} / " + ("not computed" if ssim is None else f"{ssim:.4f}")
    return f"**{text}**" if bold else text
