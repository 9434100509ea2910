"""The report, put together: Table 1 as files, strips, figures, model cards, and the page."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

from srlab.data.images import list_images, read_pixels, write_png
from srlab.data.tensors import crop_to_multiple, to_pixels, to_tensor
from srlab.errors import SrlabError
from srlab.evaluation import PICTURES
from srlab.params import Params
from srlab.provenance import file_hash
from srlab.report.cards import Model, card_markdown
from srlab.report.cost_cards import HEAD, cost_rows, read_costs
from srlab.report.curve_charts import curve_charts
from srlab.report.figures import Figures
from srlab.report.html import html_table, svg_figure
from srlab.report.page import TRUTH, Comparison, Page, Section, write_page
from srlab.report.published import Published, read_published
from srlab.report.scores import MethodScores, Scores, read_scores
from srlab.report.strip import write_strips
from srlab.report.study_figures import study_bodies
from srlab.report.summary import report_markdown
from srlab.report.table import method_table, result_tables
from srlab.report.table1 import Table1, make_table1, table1_csv, table1_json, table1_markdown
from srlab.report.table_html import table_html, with_code
from srlab.report.tables import Table
from srlab.studies.plan import load_plans
from srlab.weights import load_card

METHODS = ("nearest", "bicubic", "memnet", "srresnet", "srgan")
TRAINED = METHODS[2:]
_IN_STRIPS = METHODS[1:]
_PAPERS_DATASETS = ("set5", "set14")


@dataclass(frozen=True)
class Sources:
    """What the report is made from. What is not there is named in the report."""

    metrics: Path
    """`METHOD.json`, and the folders per_image, costs, curves, studies."""
    images: Path
    """The test images, a folder per dataset."""
    results: Path
    """The methods' pictures, `METHOD/DATASET/xS/IMAGE.png`."""
    models: Path
    """`METHOD.safetensors`."""
    published: Path
    """Numbers of papers, see `srlab.report.published`."""
    studies: Path
    """What the studies ask, see `srlab.studies.plan`."""


def build_report(params: Params, sources: Sources, output: Path) -> None:
    """Write `index.html`, strips, figures and cards to `output`, tables into the metrics.

    Raises:
        SrlabError: something that is there is damaged; it names the file.
    """
    for folder in ("cards", "figures", "strips"):
        (output / folder).mkdir(parents=True, exist_ok=True)
    scores = read_scores(sources.metrics, METHODS)
    published = read_published(sources.published)
    table1 = make_table1(scores, published)
    _write_tables(scores, table1, published, sources.metrics)
    _write_strips(params, scores, sources, output / "strips")
    costs = read_costs(sources.metrics / "costs", _stages(params))
    cards = _write_cards(params, scores, sources, costs, output / "cards")
    with tempfile.TemporaryDirectory() as truth:
        comparisons = _comparisons(params, scores, sources, Path(truth))
        figures = Figures(comparisons, params.report.crop, output / "figures")
        page = Page(
            title="srlab: single-image super-resolution",
            subtitle="MemNet and SRGAN, trained, scored and compared by one pipeline, beside "
            "the numbers of Lal & Javid and of the literature",
            scale=params.report.scale,
            protocol=PICTURES,
            comparisons=comparisons,
            before=[Section("results", "Results", _results(scores))],
            after=[
                Section("table-1", "Table 1", _table1(table1)),
                Section("figures", "Figures", _joined(figures.all())),
                Section("studies", "Studies", _studies(sources)),
                Section("curves", "Training", _curves(sources.metrics / "curves")),
                Section("costs", "Costs", _costs(cost_rows(costs))),
                Section("models", "Model cards", _joined(map(_rendered, cards.values()))),
                Section("selfcheck", "Self-check", _selfcheck(sources.metrics / "selfcheck.json")),
            ],
            notes=_notes(scores),
        )
        write_page(page, output / "index.html")


def _stages(params: Params) -> list[str]:
    """What cost cards are called, in the order of the pipeline."""
    return [
        *(f"download_train_{name}" for name in params.data.train),
        *(f"download_test_{name}" for name in params.data.test),
        *(f"backbone_{name}" for name in ("perceptual", "metrics")),
        *(f"patches_{name}" for name in ("memnet", "srgan")),
        *(f"train_{method}" for method in TRAINED),
        "selfcheck",
        *(f"evaluate_{method}" for method in METHODS),
    ]


def _write_tables(scores: Scores, table1: Table1, published: Published, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in {
        "table1.json": table1_json(table1),
        "table1.csv": table1_csv(table1),
        "table1.md": table1_markdown(table1),
        "report.md": report_markdown(scores, table1, published),
    }.items():
        (folder / name).write_text(text, encoding="utf-8")


def _write_strips(params: Params, scores: Scores, sources: Sources, output: Path) -> None:
    shown = {method: own for method in _IN_STRIPS if (own := scores[method]) is not None}
    write_strips(
        params.report,
        [sources.images / name for name in params.data.test],
        {method: sources.results / method for method in shown},
        shown,
        output,
    )


def _write_cards(
    params: Params,
    scores: Scores,
    sources: Sources,
    costs: Mapping[str, Mapping[str, Any]],
    output: Path,
) -> dict[str, str]:
    """Method -> its card as Markdown, also written to METHOD.md."""
    rows = dict(zip(costs, cost_rows(costs), strict=True))
    cards = {}
    for method in TRAINED:
        weights = sources.models / f"{method}.safetensors"
        if not weights.is_file():
            continue
        patches = "memnet" if method == "memnet" else "srgan"
        cut = getattr(params.patches, patches)
        teacher = getattr(getattr(params, method), "teacher", None)
        model = Model(
            method=method,
            card=load_card(weights),
            weights_sha256=file_hash(weights),
            datasets=params.data.train,
            patches=_patch_count(sources.metrics / f"patches_{patches}.json"),
            degradations=cut.degradations,
            augment_scales=cut.augment_scales,
            start=getattr(getattr(params, method), "start", None),
            teacher=None if teacher is None else teacher.model,
            run_id=costs.get(f"train_{method}", {}).get("mlflow_run_id"),
            cost=rows.get(f"train_{method}"),
        )
        cards[method] = card_markdown(model, _score_tables(method, scores))
        (output / f"{method}.md").write_text(cards[method], encoding="utf-8")
    return cards


def _score_tables(method: str, scores: Scores) -> list[str]:
    own = scores[method]
    return [] if own is None else [method_table(method, own, scores["bicubic"]).to_markdown()]


def _patch_count(path: Path) -> int | None:
    try:
        return int(json.loads(path.read_text())["patches"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise SrlabError(f"{path}: not a count of patches ({error}); run: dvc repro") from error


def _comparisons(params: Params, scores: Scores, sources: Sources, truth: Path) -> list[Comparison]:
    """An entry per test image; the truth, cut to a multiple of the scale, goes to a folder."""
    scale = params.report.scale
    found = []
    for dataset in params.data.test:
        (truth / dataset).mkdir()
        for path in list_images(sources.images / dataset):
            pictures, own = {}, {}
            for method, scored in scores.items():
                row = None if scored is None else _row(scored, dataset, scale, path.stem)
                if row is not None:
                    file = sources.results / method / dataset / f"x{scale}" / f"{path.stem}.png"
                    pictures[method], own[method] = file, row
            if not pictures:
                continue
            hr = truth / dataset / f"{path.stem}.png"
            write_png(hr, to_pixels(crop_to_multiple(to_tensor(read_pixels(path)), scale)))
            found.append(Comparison(dataset, path.stem, {**pictures, TRUTH: hr}, own))
    return found


def _row(
    scores: MethodScores, dataset: str, scale: int, image: str
) -> dict[str, float | None] | None:
    for score in scores.images:
        if (score.protocol, score.dataset, score.scale, score.image) == (
            PICTURES,
            dataset,
            scale,
            image,
        ):
            return {name: getattr(score, name) for name in ("psnr", "ssim", "alex", "lpips")}
    return None


def _results(scores: Scores) -> Markup:
    """The tables of results; those below the first are folded."""
    tables = result_tables(scores)
    if not tables:
        return Markup("<p>Nothing was scored yet: <code>dvc repro</code></p>")
    return table_html(tables[0]) + _joined(map(_folded, tables[1:]))


def _table1(table1: Table1) -> Markup:
    main, *others = table1.tables
    return table_html(main) + _joined(map(_folded, others))


def _folded(table: Table) -> Markup:
    summary = with_code(table.title)
    body = table_html(replace(table, title=""))
    return Markup("<details><summary>{}</summary>\n{}</details>\n").format(summary, body)


def _studies(sources: Sources) -> Markup:
    return _joined(study_bodies(load_plans(sources.studies), sources.metrics / "studies"))


def _curves(folder: Path) -> Markup:
    parts = []
    for method in TRAINED:
        parts.append(Markup("<h3>{}</h3>\n").format(method))
        if not (folder / method).is_dir():
            parts.append(Markup("<p>Not trained here: <code>dvc repro</code></p>\n"))
            continue
        charts = [
            svg_figure(f"{method} {number}", title, chart, caption="")
            for number, (title, chart) in enumerate(curve_charts(folder / method).items(), 1)
        ]
        parts.append(Markup('<div class="charts">\n{}</div>\n').format(_joined(charts)))
    return _joined(parts)


def _costs(rows: list[list[str]]) -> Markup:
    if not rows:
        return Markup("<p>No stage has left a cost card yet.</p>")
    return html_table(
        HEAD,
        rows,
        caption="What each stage cost when it last ran",
        note="Multiply-adds are those for an image of 1280x720 pixels. Time and memory are of the "
        "whole stage; other work on the machine makes them larger.",
    )


def _selfcheck(path: Path) -> Markup:
    try:
        rows = json.loads(path.read_text())["rows"]
        cells = [[str(value) for value in row.values()] for row in rows]
    except FileNotFoundError:
        return Markup("<p>Not run: <code>dvc repro selfcheck</code></p>")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SrlabError(f"{path}: not a self-check ({error}); run: dvc repro selfcheck") from error
    if not cells:
        return Markup("<p>The datasets that were tested have no rows to check.</p>")
    return html_table(
        list(rows[0]), cells, caption="Scores that need no training, rebuilt before any scoring"
    )


def _notes(scores: Scores) -> list[str]:
    """What is missing, and how to get it."""
    notes = [f"{method} was not run; run: dvc repro" for method, s in scores.items() if s is None]
    known = [method for method in scores.values() if method is not None]
    datasets = {name for method in known for tree in method.means.values() for name in tree}
    if absent := [name for name in _PAPERS_DATASETS if name not in datasets]:
        notes.append(
            f"{' and '.join(absent)} were not scored, so Table 1 has none of the paper's numbers; "
            "add them to data.test in params.yaml (README: where images come from)"
        )
    if known and not any(score.lpips is not None for method in known for score in method.images):
        notes.append(
            "ALEX and LPIPS were not computed, since their backbone could not be had; once it can: "
            "dvc repro --force --single-item backbone@metrics, then dvc repro"
        )
    return notes


def _rendered(markdown: str) -> Markup:
    # One level down: the page's sections are the second.
    html = MarkdownIt("commonmark", {"html": False}).enable("table").render(markdown)
    for level in (3, 2, 1):
        html = html.replace(f"<h{level}>", f"<h{level + 2}>").replace(
            f"</h{level}>", f"</h{level + 2}>"
        )
    # As html_table does: a wide table scrolls inside its own frame.
    html = html.replace("<table>", '<div class="table-frame" tabindex="0"><table>')
    html = html.replace("</table>", "</table></div>")
    return Markup('<article class="card">\n{}</article>\n').format(Markup(html))  # noqa: S704


def _joined(parts: object) -> Markup:
    return Markup().join(parts)  # type: ignore[arg-type]
