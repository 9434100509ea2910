"""The result tables: every method, scale, dataset and metric under each protocol."""

from srlab.metrics.protocols import PROTOCOLS
from srlab.params import ProtocolName
from srlab.report.bootstrap import paired_difference
from srlab.report.missing import NOTHING
from srlab.report.origins import short_commit
from srlab.report.scores import MethodScores, Scores
from srlab.report.tables import Strong, Table
from srlab.report.titles import FORMATS, LOWER_IS_BETTER, PROTOCOL_TITLES

_ON_LUMA = ("psnr", "ssim")


def result_tables(scores: Scores) -> list[Table]:
    """A table per protocol: a row per scale and method, the metrics of each dataset; best in bold.

    A method has no row at a scale that it does not enlarge by. ALEX is better high, LPIPS low.
    """
    tables = []
    for protocol, title in PROTOCOL_TITLES.items():
        scored = {
            name: method
            for name, method in scores.items()
            if method is not None and protocol in method.means
        }
        if scored:
            tables.append(_table(scored, protocol, title[0].upper() + title[1:]))
    return tables


def method_table(name: str, method: MethodScores, bicubic: MethodScores | None) -> Table:
    """One method's scores, and how much PSNR it has over bicubic, with the 95 % interval."""
    rows = []
    for protocol, datasets in method.means.items():
        for dataset, cells in datasets.items():
            for scale, cell in cells.items():
                scored = [_cell(cell.get(metric), metric, best=False) for metric in FORMATS]
                place = protocol, dataset, int(scale[1:])
                rows.append([protocol, dataset, scale, *scored, _gain(method, bicubic, *place)])
    head = ["protocol", "dataset", "scale", *(metric.upper() for metric in FORMATS)]
    return Table(f"Scores of {name}", [*head, "PSNR over bicubic"], rows)


def _gain(
    method: MethodScores, other: MethodScores | None, protocol: str, dataset: str, scale: int
) -> str:
    ours, theirs = (
        {} if scores is None else scores.per_image(protocol, dataset, scale, "psnr")
        for scores in (method, other)
    )
    pairs = [(value, theirs.get(image)) for image, value in ours.items()]
    known = [(a, b) for a, b in pairs if a is not None and b is not None]
    if len(known) < len(pairs) or not pairs:
        return NOTHING
    found = paired_difference([a for a, _ in known], [b for _, b in known])
    interval = "" if found.low is None else f" [{found.low:+.2f}, {found.high:+.2f}]"
    return f"{found.mean:+.2f}{interval}"


def _table(scored: dict[str, MethodScores], protocol: ProtocolName, title: str) -> Table:
    trees = {name: method.means[protocol] for name, method in scored.items()}
    datasets = list(dict.fromkeys(dataset for tree in trees.values() for dataset in tree))
    metrics = _ON_LUMA if PROTOCOLS[protocol].luma_first else tuple(FORMATS)
    columns = [(dataset, metric) for dataset in datasets for metric in metrics]
    scales = {scale for tree in trees.values() for cells in tree.values() for scale in cells}
    rows = []
    for scale in sorted(scales, key=lambda scale: int(scale[1:]), reverse=True):
        values = {
            name: [tree.get(dataset, {}).get(scale, {}).get(metric) for dataset, metric in columns]
            for name, tree in trees.items()
            if any(scale in cells for cells in tree.values())
        }
        best = [
            _best(metric, [row[index] for row in values.values()])
            for index, (_, metric) in enumerate(columns)
        ]
        for name, row in values.items():
            cells = [
                _cell(value, metric, best=value is not None and value == top)
                for value, (_, metric), top in zip(row, columns, best, strict=True)
            ]
            rows.append([scale, name, *cells, short_commit(scored[name].made_by.git_commit)])
    heads = [f"{dataset} {metric.upper()}" for dataset, metric in columns]
    return Table(title, ["scale", "method", *heads, "commit"], rows)


def _best(metric: str, values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return min(known) if metric in LOWER_IS_BETTER else max(known)


def _cell(value: float | None, metric: str, *, best: bool) -> str:
    if value is None:
        return "not computed"
    text = format(value, FORMATS[metric])
    return Strong(text) if best else text
