"""Ours beside what papers published, under one protocol."""

from srlab.metrics.protocols import PROTOCOLS
from srlab.params import ProtocolName
from srlab.report.missing import NOTHING, why_missing
from srlab.report.origins import short_commit
from srlab.report.published import Published, Result
from srlab.report.scores import MethodScores, Scores
from srlab.report.tables import Table
from srlab.report.titles import FORMATS, PROTOCOL_TITLES


def literature_table(scores: Scores, published: Published, protocol: ProtocolName) -> Table:
    """A row for each method at each scale, ours first, then the published; columns by dataset.

    Published are only those with a number on a dataset that ours were scored on.
    """
    known = {
        name: method
        for name, method in scores.items()
        if method is not None and protocol in method.means
    }
    datasets = list(dict.fromkeys(name for x in known.values() for name in x.means[protocol]))
    # Under a protocol on luma there is no RGB image to compute LPIPS of.
    metrics = ("psnr", "ssim") if PROTOCOLS[protocol].luma_first else ("psnr", "ssim", "lpips")
    columns = [(dataset, metric) for dataset in datasets for metric in metrics]
    results = [
        result
        for result in published.results
        if result.protocol == protocol
        and any(result.score(dataset, metric) is not None for dataset, metric in columns)
    ]
    scales = {int(s[1:]) for x in known.values() for cells in x.means[protocol].values()
              for s in cells} | {result.scale for result in results}  # fmt: skip
    rows = []
    for scale in sorted(scales, reverse=True):
        for name, method in known.items():
            if any(f"x{scale}" in cells for cells in method.means[protocol].values()):
                rows.append(_our_row(name, method, protocol, scale, columns))
        rows += [_their_row(result, columns) for result in results if result.scale == scale]
    heads = [f"{published.title(dataset)} {metric.upper()}" for dataset, metric in columns]
    return Table(
        title=("Ours beside the literature" if results else "Ours")
        + f", {PROTOCOL_TITLES[protocol]}",
        head=["scale", "method", *heads, "parameters", "trained on", "from"],
        rows=rows,
        notes=[
            "The published MemNet, VDSR and DRRN learnt from 291 images; SRResNet, EDSR and SRGAN "
            "from DIV2K's 800 large ones or from 350,000 of ImageNet."
        ]
        if results
        else [],
    )


def _our_row(
    name: str,
    method: MethodScores,
    protocol: ProtocolName,
    scale: int,
    columns: list[tuple[str, str]],
) -> list[str]:
    cells = []
    for dataset, metric in columns:
        value = method.mean(protocol, dataset, scale, metric)
        cells.append(
            why_missing(name, method, protocol, dataset, scale, metric)
            if value is None
            else format(value, FORMATS[metric])
        )
    data = method.made_by.data_sha256
    trained_on = "none" if data is None else f"patches {data[:8]}"
    ours = f"ours, {short_commit(method.made_by.git_commit)}"
    count = _millions(method.made_by.parameters)
    return [f"x{scale}", name, *cells, count, trained_on, ours]


def _their_row(result: Result, columns: list[tuple[str, str]]) -> list[str]:
    cells = []
    for dataset, metric in columns:
        value = result.score(dataset, metric)
        cells.append(NOTHING if value is None else format(value, FORMATS[metric]))
    count = _millions(result.parameters)
    return [f"x{result.scale}", result.method, *cells, count, result.training_data, result.source]


def _millions(parameters: int | None) -> str:
    return NOTHING if parameters is None else f"{parameters / 1e6:.3g}M"
