"""What the studies came to, Figures 5 to 7 of the paper among them."""

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup, escape

from srlab.report.charts import Interval, interval_chart
from srlab.report.html import html_figure, html_pictures, svg_figure
from srlab.report.table_html import table_html
from srlab.report.tables import Strong, Table
from srlab.report.titles import LOWER_IS_BETTER
from srlab.studies.plan import Plan
from srlab.studies.result import Study, load_study

FIGURES = {"perceptual_weight": "Figure 5", "supervision": "Figure 6", "resampling": "Figure 7"}
"""Studies that are figures of the paper."""

_DIGITS = {"psnr": 2, "ssim": 4, "alex": 3, "lpips": 3}


def study_bodies(plans: Mapping[str, Plan], folder: Path) -> list[Markup]:
    """A part for each study: its result, or the command that makes it.

    Args:
        plans: every study of pipeline/studies.yaml.
        folder: the results, `NAME.json` and the pictures in `NAME`.

    Raises:
        SrlabError: a result is damaged; it names the file.
    """
    bodies = []
    for name, plan in plans.items():
        heading = Markup("<h3>{}</h3>\n<p>{} <em>The paper: {}</em></p>\n").format(
            plan.title, plan.question, plan.paper
        )
        path = folder / f"{name}.json"
        body = _result(load_study(path), folder / name) if path.is_file() else _missing(name, plan)
        bodies.append(heading + body)
    return bodies


def study_tables(study: Study) -> list[Table]:
    """The deciding metric of each arm: a table per scale, a column per dataset and protocol."""
    first = next(iter(study.arms))
    cells = [
        (protocol, dataset, scale)
        for protocol, datasets in first.per_image.items()
        for dataset, scales in datasets.items()
        for scale in scales
    ]
    tables = []
    for scale in sorted({scale for _, _, scale in cells}):
        columns = [(protocol, dataset) for protocol, dataset, other in cells if other == scale]
        values = [
            [
                arm.scores.get(protocol, {}).get(dataset, {}).get(scale, {}).get(study.metric)
                for protocol, dataset in columns
            ]
            for arm in study.arms
        ]
        best = [
            _best(study.metric, [row[index] for row in values]) for index in range(len(columns))
        ]
        tables.append(
            Table(
                title=f"{study.metric.upper()} at {scale}, {_budget(study)}",
                head=["arm", *(f"{dataset} {protocol}" for protocol, dataset in columns)],
                rows=[
                    [
                        arm.name,
                        *(_cell(v, top, study.metric) for v, top in zip(row, best, strict=True)),
                    ]
                    for arm, row in zip(study.arms, values, strict=True)
                ],
            )
        )
    return tables


def _result(study: Study, pictures: Path) -> Markup:
    label = FIGURES.get(study.study, f"Study {study.study}")
    intervals = [
        Interval(
            f"{one.arm} - {one.against}, {one.dataset} x{one.scale} {one.protocol}",
            one.mean,
            one.low,
            one.high,
        )
        for one in study.differences
    ]
    parts = [table_html(table) for table in study_tables(study)]
    if intervals:
        parts.append(
            svg_figure(
                label,
                study.title,
                interval_chart(intervals, x=f"difference in {study.metric.upper()}"),
                caption=f"Mean over images with the 95 % interval of the paired bootstrap. "
                f"{_budget(study)}, on {study.device}. {_verdict(study)}",
            )
        )
    rows = [
        html_pictures(
            f"{study.title}, {image}",
            {arm.name: pictures / arm.pictures[image] for arm in study.arms}
            | {"truth": pictures / truth},
        )
        for image, truth in study.truth.items()
    ]
    if rows:
        parts.append(
            html_figure(
                f"{label}, pictures",
                study.title,
                Markup().join(rows),
                caption="The square of each image with the most detail.",
            )
        )
    return Markup().join(parts)


def _verdict(study: Study) -> str:
    certain = [
        one
        for one in study.differences
        if one.low is not None and one.high is not None and not one.low <= 0 <= one.high
    ]
    total = len(study.differences)
    return f"Zero is outside the interval in {len(certain)} of {total} comparisons."


def _budget(study: Study) -> str:
    return ", ".join(f"{value:g} {unit.replace('.', ' ')}" for unit, value in study.budget.items())


def _missing(name: str, plan: Plan) -> Markup:
    label = FIGURES.get(name, f"Study {name}")
    body = Markup('<p class="missing">Not run yet: <code>python -m pipeline.study {}</code></p>')
    return html_figure(label, plan.title, body.format(name), caption=escape(""))


def _best(metric: str, values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    if not known:
        return None
    return min(known) if metric in LOWER_IS_BETTER else max(known)


def _cell(value: float | None, best: float | None, metric: str) -> str:
    if value is None:
        return "not computed"
    text = f"{value:.{_DIGITS.get(metric, 3)}f}"
    return Strong(text) if value == best else text
