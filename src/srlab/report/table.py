"""The result table, from the metrics files."""

import json
from pathlib import Path
from typing import Any

from srlab.errors import SrlabError

_TITLES = {
    "y_rgb8": "`y_rgb8`: MATLAB bicubic on 8-bit RGB, PSNR and SSIM on luma (as SRResNet, EDSR)",
    "y": "`y`: MATLAB bicubic on 8-bit luma, scored on luma (as SRCNN, VDSR, MemNet)",
    "paper": "`paper`: bicubic without antialiasing, PSNR and SSIM on RGB (as Lal & Javid)",
}
_FORMATS = {"psnr": ".2f", "ssim": ".4f", "alex": ".3f", "lpips": ".3f"}
_ON_LUMA = ("psnr", "ssim")
_LOWER_IS_BETTER = ("lpips",)


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
    """A table per protocol: a row per scale and method, the metrics of each dataset; best in bold.

    A method has no row at a scale that it does not enlarge by. ALEX is better high, LPIPS low.
    """
    sections = []
    for protocol, title in _TITLES.items():
        scored = {name: tree[protocol] for name, tree in methods.items() if protocol in tree}
        datasets = list(dict.fromkeys(name for tree in scored.values() for name in tree))
        metrics = _ON_LUMA if protocol == "y" else tuple(_FORMATS)
        columns = [(dataset, metric) for dataset in datasets for metric in metrics]
        scales = sorted({s for tree in scored.values() for cells in tree.values() for s in cells})
        if not columns:
            continue
        heads = [f"{dataset} {metric.upper()}" for dataset, metric in columns]
        lines = [
            f"Protocol {title}:",
            "",
            f"| scale | method | {' | '.join(heads)} | commit |",
            f"|---|---|{'---|' * len(heads)}---|",
        ]
        for scale in reversed(scales):
            rows = {
                name: [
                    tree.get(dataset, {}).get(scale, {}).get(metric) for dataset, metric in columns
                ]
                for name, tree in scored.items()
                if any(scale in cells for cells in tree.values())
            }
            best = [
                _best(metric, [row[index] for row in rows.values()])
                for index, (_, metric) in enumerate(columns)
            ]
            for name, row in rows.items():
                cells = [
                    _cell(value, metric, bold=value is not None and value == top)
                    for value, (_, metric), top in zip(row, columns, best, strict=True)
                ]
                commit = (methods[name]["made_by"]["git_commit"] or "unknown")[:8]
                lines.append(f"| {scale} | {name} | {' | '.join(cells)} | {commit} |")
        sections.append("\n".join(lines))
    return "\n\n".join(sections) + "\n"


def _best(metric: str, values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return min(known) if metric in _LOWER_IS_BETTER else max(known)


def _cell(value: float | None, metric: str, *, bold: bool) -> str:
    if value is None:
        return "not computed"
    text = format(value, _FORMATS[metric])
    return f"**{text}**" if bold else text
