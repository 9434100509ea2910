"""Table 1 of the paper, rebuilt: ours, the paper's number, and the difference.

Below it the same methods under the protocols of the literature, how sure the differences between
them are, and what made each.
"""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from srlab.params import ProtocolName
from srlab.report.intervals import Comparison, compare_methods, intervals_table
from srlab.report.literature import literature_table
from srlab.report.missing import NOTHING, why_missing
from srlab.report.origins import origins_table
from srlab.report.published import PaperNote, Published
from srlab.report.scores import MadeBy, Scores
from srlab.report.tables import Table

COLUMNS = (
    ("nearest", 4),
    ("bicubic", 4),
    ("srgan", 4),
    ("memnet", 4),
    ("memnet", 3),
    ("memnet", 2),
    ("srresnet", 4),
)
"""The paper's columns in its order, and SRResNet, which it has not."""

_METRICS = {"psnr": ".2f", "alex": ".3f"}
_LITERATURE: tuple[ProtocolName, ...] = ("y", "y_rgb8")
_MARKS = "¹²³⁴⁵⁶⁷⁸⁹"


@dataclass(frozen=True)
class Entry:
    """One cell of Table 1."""

    dataset: str
    metric: str
    method: str
    scale: int
    ours: float | None
    missing: str | None
    """Why there is no number of ours, and what makes one."""
    paper: float | None

    @property
    def difference(self) -> float | None:
        """Ours less the paper's."""
        return None if self.ours is None or self.paper is None else self.ours - self.paper


@dataclass(frozen=True)
class Table1:
    """Table 1 with all that stands below it."""

    source: str
    protocol: ProtocolName
    entries: list[Entry]
    notes: list[str]
    comparisons: list[Comparison]
    made_by: dict[str, MadeBy | None]
    """None for a method that was not run."""
    tables: list[Table]
    """Table 1 itself, ours beside the literature, the intervals, the origins."""


def make_table1(scores: Scores, published: Published) -> Table1:
    """Table 1 of the datasets that were scored; the paper's numbers where it has the dataset.

    Raises:
        SrlabError: two methods were scored on different images.
    """
    entries = _entries(scores, published)
    comparisons = compare_methods(scores)
    known = [method for method in scores.values() if method is not None]
    literature = [
        literature_table(scores, published, protocol)
        for protocol in _LITERATURE
        if any(protocol in method.means for method in known)
    ]
    return Table1(
        source=published.paper.source,
        protocol=published.paper.protocol,
        entries=entries,
        notes=[note.text for note in _notes(entries, published)],
        comparisons=comparisons,
        made_by={
            name: None if method is None else method.made_by for name, method in scores.items()
        },
        tables=[
            _main_table(entries, published),
            *literature,
            *([intervals_table(comparisons)] if comparisons else []),
            *([origins_table(scores)] if known else []),
        ],
    )


def table1_markdown(table1: Table1) -> str:
    """Every table, one below the other."""
    return "\n\n".join(["# Table 1", *(table.to_markdown() for table in table1.tables)]) + "\n"


def table1_csv(table1: Table1) -> str:
    """A row for each cell of Table 1."""
    text = io.StringIO()
    names = ["dataset", "metric", "method", "scale", "ours", "paper", "difference", "missing"]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    for entry in table1.entries:
        row = _plain(entry)
        writer.writerow({name: "" if row[name] is None else row[name] for name in names})
    return text.getvalue()


def table1_json(table1: Table1) -> str:
    """All numbers, with what made them."""
    tree = {
        "source": table1.source,
        "protocol": table1.protocol,
        "entries": [_plain(entry) for entry in table1.entries],
        "notes": table1.notes,
        "intervals": [_plain_comparison(one) for one in table1.comparisons],
        "made_by": {
            name: None if made_by is None else made_by.model_dump()
            for name, made_by in table1.made_by.items()
        },
    }
    return json.dumps(tree, indent=2, ensure_ascii=False) + "\n"


def _entries(scores: Scores, published: Published) -> list[Entry]:
    paper = published.paper
    datasets = dict.fromkeys(
        dataset
        for method in scores.values()
        if method is not None
        for tree in method.means.values()
        for dataset in tree
    )
    entries = []
    for dataset in datasets:
        for metric in _METRICS:
            for name, scale in COLUMNS:
                method = scores.get(name)
                ours = None
                if method is not None:
                    ours = method.mean(paper.protocol, dataset, scale, metric)
                asked = (name, method, paper.protocol, dataset, scale, metric)
                entries.append(
                    Entry(
                        dataset=dataset,
                        metric=metric,
                        method=name,
                        scale=scale,
                        ours=ours,
                        missing=why_missing(*asked) if ours is None else None,
                        paper=paper.score(name, scale, dataset, metric),
                    )
                )
    return entries


def _main_table(entries: Sequence[Entry], published: Published) -> Table:
    notes = _notes(entries, published)
    rows: list[list[str]] = []
    for dataset, metric in dict.fromkeys((entry.dataset, entry.metric) for entry in entries):
        marks = "".join(
            mark
            for mark, note in zip(_MARKS, notes, strict=False)
            if note.is_about(dataset, metric)
        )
        name = f"{published.title(dataset)} {metric.upper()}{marks}"
        row = [x for x in entries if (x.dataset, x.metric) == (dataset, metric)]
        digits = _METRICS[metric]
        rows.append([name, "ours", *(_ours(entry, digits) for entry in row)])
        if any(entry.paper is not None for entry in row):
            papers = [_number(entry.paper, digits) for entry in row]
            differences = [_number(entry.difference, "+" + digits) for entry in row]
            rows.append([name, "paper's", *papers])
            rows.append([name, "difference", *differences])
    marked = [
        f"{_MARKS[index]} {note.text}" if note.dataset or note.metric else note.text
        for index, note in enumerate(notes)
    ]
    beside = any(entry.paper is not None for entry in entries)
    title = (
        f"Ours beside {published.paper.source}" if beside else "The columns of the paper's Table 1"
    )
    return Table(
        title=f"{title}, protocol `{published.paper.protocol}`",
        head=["", "", *(f"{method} x{scale}" for method, scale in COLUMNS)],
        rows=rows,
        notes=marked,
    )


def _notes(entries: Sequence[Entry], published: Published) -> list[PaperNote]:
    """Those about rows that are there; the ones about no row last, so that marks count from 1."""
    compared = {entry.dataset for entry in entries if entry.paper is not None}
    rows = {(entry.dataset, entry.metric) for entry in entries}
    notes = published.paper.notes
    about_rows = [note for note in notes if any(note.is_about(*row) for row in rows)]
    general = [note for note in notes if not note.dataset and not note.metric and compared]
    return about_rows + general


def _ours(entry: Entry, digits: str) -> str:
    return entry.missing if entry.ours is None and entry.missing else _number(entry.ours, digits)


def _number(value: float | None, digits: str) -> str:
    return NOTHING if value is None else format(value, digits)


def _plain(entry: Entry) -> dict[str, Any]:
    difference = None if entry.difference is None else round(entry.difference, 6)
    return {**asdict(entry), "difference": difference}


def _plain_comparison(one: Comparison) -> dict[str, Any]:
    plain = asdict(one)
    difference = plain.pop("difference")
    return plain | {
        name: round(value, 6) if isinstance(value, float) else value
        for name, value in difference.items()
    }
