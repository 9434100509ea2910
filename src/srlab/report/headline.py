"""The tables that README.md begins with: the best released models beside what papers published."""

from collections.abc import Mapping

from srlab.params import ProtocolName
from srlab.report.missing import NOTHING
from srlab.report.published import Published, Result
from srlab.report.scores import MethodScores
from srlab.report.tables import Strong, Table
from srlab.report.titles import FORMATS, LOWER_IS_BETTER

_SCALE = 4
_DATASETS = ("set5", "set14")
_FAMILIES: dict[str, ProtocolName] = {"memnet": "y", "srresnet": "y_rgb8"}
"""Networks that are trained for PSNR, and the protocol under which theirs is published."""

Known = Mapping[str, MethodScores]


def headline_tables(scores: Known, published: Published) -> list[Table]:
    """Table 1 of the paper, PSNR beside the literature's, and LPIPS beside it.

    Of each network the released model that is best on the first dataset stands for all of them.

    Args:
        scores: of the released models and the interpolations.
        published: what to compare with.
    """
    return [
        _paper_table(scores, published),
        _psnr_table(scores, published),
        _lpips_table(scores, published),
    ]


def _paper_table(scores: Known, published: Published) -> Table:
    paper = published.paper
    rows = []
    for column in paper.columns:
        name = _best(scores, column.method, paper.protocol, column.scale, "psnr")
        cells = []
        for dataset in _DATASETS:
            for metric in ("psnr", "alex"):
                theirs = paper.score(column.method, column.scale, dataset, metric)
                ours = scores[name].mean(paper.protocol, dataset, column.scale, metric)
                cells += [_text(theirs, metric), _better(ours, theirs, metric)]
        rows.append([f"{name} x{column.scale}", *cells])
    heads = [
        f"{published.title(dataset)} {metric.upper()}{whose}"
        for dataset in _DATASETS
        for metric in ("psnr", "alex")
        for whose in (", paper", ", here")
    ]
    return Table(
        f"**Table 1 of the paper** and ours under `{paper.protocol}`, bold where it is above",
        ["", *heads],
        rows,
    )


def _psnr_table(scores: Known, published: Published) -> Table:
    rows = []
    for result in published.results:
        found = [result.score(dataset, "psnr") for dataset in _DATASETS]
        comparable = result.scale == _SCALE and result.protocol in _FAMILIES.values()
        if comparable and None not in found and not _is_for_lpips(result):
            rows.append((found, result.method, result.training_data, str))
    for family, protocol in _FAMILIES.items():
        name = _best(scores, family, protocol, _SCALE, "psnr")
        found = [scores[name].mean(protocol, dataset, _SCALE, "psnr") for dataset in _DATASETS]
        rows.append((found, f"{name}, here", "T91, BSDS200 and General100", Strong))
    rows.sort(key=lambda row: row[0][0] or 0.0)
    return Table(
        "**PSNR at x4**, MemNet and those before it under `y`, the others under `y_rgb8`",
        ["", *(published.title(dataset) for dataset in _DATASETS), "trained on"],
        [
            [kind(name), *(kind(_text(value, "psnr")) for value in found), data]
            for found, name, data, kind in rows
        ],
    )


def _lpips_table(scores: Known, published: Published) -> Table:
    columns = [(dataset, metric) for metric in ("lpips", "psnr") for dataset in _DATASETS]
    best = _best(scores, "srgan", "y_rgb8", _SCALE, "lpips")
    rows = [
        [f"{name}, here"]
        + [
            _text(scores[name].mean("y_rgb8", data, _SCALE, metric), metric)
            for data, metric in columns
        ]
        for name in dict.fromkeys(["bicubic", "srgan", best])
    ] + [
        [f"{result.method} ({result.source})"]
        + [_text(result.score(data, metric), metric) for data, metric in columns]
        for result in published.results
        if _is_for_lpips(result)
    ]
    return Table(
        "**What SRGAN is for**, LPIPS at x4 (lower is better), and the PSNR that it costs",
        ["", *(f"{published.title(dataset)} {metric.upper()}" for dataset, metric in columns)],
        rows,
    )


def _is_for_lpips(result: Result) -> bool:
    """Whether a published network gives PSNR away for how its pictures look."""
    of_network = result.scale == _SCALE and result.parameters is not None
    return of_network and result.score(_DATASETS[0], "lpips") is not None


def _best(scores: Known, family: str, protocol: ProtocolName, scale: int, metric: str) -> str:
    """The method of a family whose mean over the first dataset is best."""
    means = {
        name: value
        for name, method in scores.items()
        if name.split("_")[0] == family
        and (value := method.mean(protocol, _DATASETS[0], scale, metric)) is not None
    }
    return (min if metric in LOWER_IS_BETTER else max)(means, key=means.__getitem__)


def _better(ours: float | None, theirs: float | None, metric: str) -> str:
    text = _text(ours, metric)
    # As printed: what differs in digits that are not shown does not differ.
    above = ours is not None and theirs is not None and float(text) > float(_text(theirs, metric))
    return Strong(text) if above else text


def _text(value: float | None, metric: str) -> str:
    return NOTHING if value is None else format(value, FORMATS[metric])
